//! A table for people: columns as wide as what stands in them.

use std::fmt;

/// Rows beneath a title, each with a remark at its end that no column has to hold.
pub(crate) struct Table<const N: usize> {
    rows: Vec<([String; N], String)>,
    /// Columns from this one on are numbers, which end beneath one another.
    first_number: usize,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(titles: [&str; N], first_number: usize) -> Self {
        Self { rows: vec![(titles.map(str::to_owned), String::new())], first_number }
    }

    pub(crate) fn push(&mut self, row: [String; N], remark: &str) {
        self.rows.push((row, remark.to_owned()));
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().map(|(row, _)| row[column].chars().count()).max().unwrap_or_default()
    }
}

/// Without a line break at its end.
impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (row, remark)) in self.rows.iter().enumerate() {
            let cells = row.iter().enumerate().map(|(column, text)| {
                let width = self.width(column);
                if column < self.first_number { format!("{text:width$}") } else { format!("{text:>width$}") }
            });
            let cells: Vec<_> = cells.chain([remark.clone()]).collect();
            let break_before = if number == 0 { "" } else { "\n" };
            write!(f, "{break_before}{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_and_numbers_end_beneath_one_another() {
        let mut table = Table::new(["NAME", "CALLS"], 1);
        table.push(["kv".to_owned(), "1204".to_owned()], "kv@2 serves");
        table.push(["speech".to_owned(), "-".to_owned()], "");
        assert_eq!(table.to_string(), "NAME    CALLS\nkv       1204  kv@2 serves\nspeech      -");
    }
}
