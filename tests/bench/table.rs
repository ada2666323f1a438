//! One table of results, as text or as Markdown.

/// Rows of cells under headings.
pub struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// A table with these headings; the first column is the tool's name.
    pub fn new(title: impl Into<String>, head: &[&str]) -> Self {
        let head = std::iter::once("tool").chain(head.iter().copied()).map(str::to_owned).collect();
        Self { title: title.into(), head, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row, or the reason why there is none. Also says it at once, since the whole takes a while.
    pub fn add(&mut self, tool: &str, cells: anyhow::Result<Vec<String>>) {
        match cells {
            Ok(cells) => {
                eprintln!("{tool}: {}", cells.join("  "));
                self.rows.push(std::iter::once(tool.to_owned()).chain(cells).collect());
            }
            Err(error) => {
                eprintln!("{tool}: {error:#}");
                self.notes.push(format!("{tool}: {error:#}"));
            }
        }
    }

    /// Adds a line below the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// In aligned columns.
    pub fn text(&self) -> String {
        let widths: Vec<usize> = (0..self.head.len())
            .map(|n| self.lines().map(|row| row[n].chars().count()).max().unwrap_or_default())
            .collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells: Vec<String> = cells
                .map(|(n, (cell, &width))| if n == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") })
                .collect();
            format!("{}\n", cells.join("  ").trim_end())
        };
        let body: String = self.lines().map(line).collect();
        format!("{}\n\n{body}{}", self.title, self.below())
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
        let rule = format!("| --- |{}\n", " ---: |".repeat(self.head.len() - 1));
        let rows: String = self.rows.iter().map(line).collect();
        format!("**{}**\n\n{}{rule}{rows}{}", self.title, line(&self.head), self.below())
    }

    fn lines(&self) -> impl Iterator<Item = &Vec<String>> {
        std::iter::once(&self.head).chain(&self.rows)
    }

    fn below(&self) -> String {
        if self.notes.is_empty() { String::new() } else { format!("\n{}\n", self.notes.join("\n")) }
    }
}
