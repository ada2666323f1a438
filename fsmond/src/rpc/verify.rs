//! `verify`: goes through the folders of the tree, reads each beside its watch, and has the core compare. Nothing is
//! changed by it. What differs is read and compared again after a while, since the events of it may be on their way, and
//! told only if it goes on to differ in the same way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fsmon_core::io::{
    Answer, Command, Compared, ComparedTo, Comparison, Different, FolderProblem, FoldersPage, FoldersQuery, NodeId,
    WatchId,
};
use fsmon_protocol::RawPath;
use fsmon_protocol::file::FilesCursor;
use fsmon_protocol::fingerprint::FileType;
use fsmon_protocol::rpc_types::Reply;
use fsmon_protocol::verify::{Difference, DifferenceKind, VerifyReply, VerifyRequest};
use tokio::time::{Instant, sleep};

use super::session::{Session, odd};

/// How long one slice goes on; then the client asks for the next.
const SLICE: Duration = Duration::from_secs(5);
/// After so long what differs is compared again: longer than any event that came is kept waiting.
const AGAIN: Duration = Duration::from_millis(1500);
/// And so often: on a machine that is busy, events come late.
const ROUNDS: usize = 3;
/// How often it is asked whether a scan is over.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// At most so many differences in one reply: far below what a frame may have.
const MOST: usize = 1000;
/// What differs is compared again before more than this waits for it.
const MOST_DOUBTFUL: usize = 10_000;

/// What of a watch is being compared.
struct Of {
    watch: WatchId,
    name: Arc<str>,
    root: RawPath,
}

/// What differs in one folder, and why it cannot be read if that is all.
#[derive(Default)]
struct Found {
    entries: u64,
    different: Vec<Different>,
    unread: Option<String>,
}

/// Each difference that waits for the second comparison, by its folder.
type Doubtful = Vec<(NodeId, RawPath, Found)>;

impl Session {
    /// One slice of the way through all folders.
    pub async fn verify_slice(&self, request: VerifyRequest) -> Reply<VerifyReply> {
        let end = Instant::now() + SLICE;
        let most = usize::try_from(request.max).unwrap_or(usize::MAX).min(MOST);
        let mut reply = VerifyReply { counts: vec![0; DifferenceKind::ALL.len()], ..VerifyReply::default() };
        let mut from = request.from.map_or((WatchId(0), 0), |at| (WatchId(at.watch), at.place));
        loop {
            let query = FoldersQuery { watches: request.watches.clone(), from };
            let page = match self.command(Command::Folders(query)).await? {
                Answer::Folders(Some(page)) => page,
                Answer::Folders(None) => break,
                other => return Err(odd(&other)),
            };
            let next = if page.busy {
                sleep(ASK_AGAIN).await;
                Some(from)
            } else {
                self.verify_page(page, end, most, &mut reply).await?
            };
            let Some(next) = next else { break };
            from = next;
            if Instant::now() >= end || self.server.stop.is_cancelled() {
                reply.next = Some(FilesCursor { watch: from.0.0, place: from.1 });
                break;
            }
        }
        Ok(reply)
    }

    /// Compares the folders of a page, as far as the slice goes. Gives where to go on.
    async fn verify_page(
        &self,
        page: FoldersPage,
        end: Instant,
        most: usize,
        reply: &mut VerifyReply,
    ) -> Reply<Option<(WatchId, u32)>> {
        let of = Of { watch: page.watch, name: page.name, root: page.root };
        let (mut doubtful, mut waiting) = (Doubtful::new(), 0);
        let mut next = page.next;
        let mut folders = page.folders.into_iter().peekable();
        while let Some((folder, path)) = folders.next() {
            let found = self.compare_folder(&of, folder, &path).await?;
            reply.folders += 1;
            reply.entries += found.entries;
            if !found.different.is_empty() {
                waiting += found.different.len();
                doubtful.push((folder, path, found));
            }
            if let Some((folder, _)) = folders.peek()
                && (waiting > MOST_DOUBTFUL || Instant::now() >= end)
            {
                next = Some((of.watch, folder.index));
                break;
            }
        }
        for _ in 0..ROUNDS {
            if doubtful.is_empty() {
                break;
            }
            sleep(AGAIN).await;
            doubtful = self.compare_again(&of, doubtful).await?;
        }
        for (_, _, found) in doubtful {
            self.tell(&of, found, most, reply).await?;
        }
        Ok(next)
    }

    /// Compares once more what differed. Gives what differs in the same way.
    async fn compare_again(&self, of: &Of, doubtful: Doubtful) -> Reply<Doubtful> {
        let mut still = Doubtful::new();
        for (folder, path, before) in doubtful {
            let mut found = self.compare_folder(of, folder, &path).await?;
            let before: HashMap<_, _> = before.different.iter().map(|was| ((&was.path, was.kind), was)).collect();
            found.different.retain(|is| before.get(&(&is.path, is.kind)) == Some(&is));
            if !found.different.is_empty() {
                still.push((folder, path, found));
            }
        }
        Ok(still)
    }

    /// Reads a folder and has it compared, portion by portion.
    async fn compare_folder(&self, of: &Of, folder: NodeId, path: &RawPath) -> Reply<Found> {
        let mut entries = match self.server.folders.read(of.root.clone(), path.clone()).await {
            Ok(entries) => entries,
            // What is not there is told as such at the folder above, and so is all that was in it.
            Err(FolderProblem::Gone) if !path.as_bytes().is_empty() => Vec::new(),
            // Never entered.
            Err(FolderProblem::PseudoFileSystem) => return Ok(Found::default()),
            Err(problem) => return Ok(unread(of, folder, path, problem)),
        };
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let entries = Arc::new(entries);
        let mut found = Found { entries: entries.len() as u64, ..Found::default() };
        let mut from = ComparedTo::Entry(0);
        loop {
            let comparison = Comparison { watch: of.watch, folder, entries: Arc::clone(&entries), from };
            let Compared { different, next } = match self.command(Command::Compare(comparison)).await? {
                Answer::Compared(compared) => compared,
                other => return Err(odd(&other)),
            };
            found.different.extend(different);
            match next {
                Some(next) => from = next,
                None => return Ok(found),
            }
        }
    }

    /// Counts what differs, and names as much as there is room for, joined with what the store has of it.
    async fn tell(&self, of: &Of, mut found: Found, most: usize, reply: &mut VerifyReply) -> Reply<()> {
        for different in &found.different {
            let kinds = DifferenceKind::ALL.into_iter().zip(&mut reply.counts);
            kinds.filter(|(kind, _)| *kind == different.kind).for_each(|(_, count)| *count += 1);
        }
        found.different.truncate(most.saturating_sub(reply.differences.len()));
        let row = |is: &Different| is.known.map(|(place, _)| (of.watch, place, is.path.clone()));
        let rows: Vec<_> = found.different.iter().filter_map(row).collect();
        let mut facts = self.server.history.files(rows).await?.into_iter();
        reply.differences.extend(found.different.into_iter().map(|is| {
            let stored = is.known.and_then(|_| facts.next()).and_then(|facts| facts.seen);
            Difference {
                watch: Arc::clone(&of.name),
                path: is.path,
                kind: is.kind,
                known: is.known.map(|(_, file_type)| file_type),
                found: is.found.map(|stat| stat.file_type),
                ledger: is.ledger.or(stored),
                disk: is.found.map(|stat| stat.fingerprint),
                why: found.unread.clone(),
            }
        }));
        Ok(())
    }
}

/// A folder that cannot be read is a difference of its own, and all there is of it.
fn unread(of: &Of, folder: NodeId, path: &RawPath, problem: FolderProblem) -> Found {
    let why = match problem {
        FolderProblem::Gone => "it is not there".to_owned(),
        FolderProblem::NotPermitted => "permission denied".to_owned(),
        FolderProblem::PseudoFileSystem => "a pseudo file system".to_owned(),
        FolderProblem::Other(why) => why,
    };
    let different = Different {
        kind: DifferenceKind::Unread,
        path: of.root.join(path.as_bytes()),
        known: Some((folder.index, FileType::Dir)),
        ledger: None,
        found: None,
    };
    Found { entries: 0, different: vec![different], unread: Some(why) }
}
