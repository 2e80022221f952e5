//! Refreshes the part of the page that the command makes.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// Replaces what stands between the markers of the page.
pub(crate) fn refresh(root: &Path, content: &str) -> anyhow::Result<()> {
    let path = root.join("docs/benchmarks.md");
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let page = replace(&page, content).with_context(|| format!("no markers in {}", path.display()))?;
    Ok(fs::write(path, page)?)
}

fn replace(page: &str, content: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{content}{END}{after}"))
}

const BEGIN: &str = "<!-- made by `cargo xtask compare --docs` -->";
const END: &str = "<!-- end -->";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(replace(&page, "new\n"), Some(format!("a\n{BEGIN}\nnew\n{END}\nb\n")));
        assert_eq!(replace("a", "new"), None);
    }
}
