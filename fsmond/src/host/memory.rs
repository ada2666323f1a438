//! How the allocator gives memory back. Only for how much the process holds; nothing depends on it.
//!
//! A scan needs large blocks for moments: rows of a checkpoint, hash maps that double. By default glibc raises the size
//! from which it gives blocks back at once each time such a block is freed, up to 32 MiB, and keeps a heap per thread.
//! After the first scan of 250,000 entries 10 MiB that nobody used stayed that way.

/// Blocks of this many bytes and more are mapped by themselves, and given back when they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const BY_ITSELF: libc::c_int = 128 * 1024;
/// Heaps of all threads together: most allocations are the engine's, and it runs on one thread at a time.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// Sets this for the process. To be called before the first thread starts. Does nothing where there is no glibc.
#[allow(unsafe_code, reason = "no safe interface has mallopt")]
pub fn give_back_at_once() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two numbers, and there is one thread. It answers 0 where it knows no such setting, and then
    // nothing has changed.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, BY_ITSELF);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}

/// Gives all memory that is free back to the system, also what lies between blocks in use. Takes milliseconds. Does nothing
/// where there is no glibc.
#[allow(unsafe_code, reason = "no safe interface has malloc_trim")]
pub fn give_back_now() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes a number, and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
