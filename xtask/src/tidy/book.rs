//! The pages of `docs/` are the chapters of a book: all of them are in its summary, once, and no link leads to a heading that is not there.
//!
//! That links lead to files is a rule of [`paths`](super::paths).

use super::Finding;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    [chapters(tree), outside(tree), headings(tree)].concat()
}

/// Pages that are not in the summary, or more than once.
fn chapters(tree: &Tree) -> Vec<Finding> {
    let Some(summary) = tree.files().iter().find(|file| file.path == SUMMARY) else {
        return Vec::new();
    };
    let named: Vec<&str> = links(&summary.text).map(|(_, link)| link).collect();
    let mut findings = Vec::new();
    for page in pages(tree).filter(|page| page.path != SUMMARY) {
        let name = page.path.trim_start_matches("docs/");
        let times = named.iter().filter(|link| **link == name).count();
        if times != 1 {
            let what = format!("the page is {times} times in {SUMMARY}");
            findings.push(Finding::new(
                &page.path,
                1,
                what,
                "name each page once, where a reader expects it",
            ));
        }
    }
    findings
}

/// Links of pages to files that the book does not have.
fn outside(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in pages(tree) {
        for (line, link) in links(&page.text).filter(|(_, link)| link.starts_with("../")) {
            let what = format!("`{link}` is not in the book");
            let remedy = "name the file in backticks, from the root of the workspace";
            findings.push(Finding::new(&page.path, line, what, remedy));
        }
    }
    findings
}

/// Links to parts of a document that has no heading of that name.
fn headings(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().iter().filter(|file| file.path.ends_with(".md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, link) in links(&file.text).filter(|(_, link)| !link.contains("://")) {
            let Some((path, part)) = link.split_once('#') else { continue };
            let path = if path.is_empty() { file.path.clone() } else { super::paths::joined(folder, path) };
            let target = tree.files().iter().find(|file| file.path == path);
            if target.is_some_and(|target| !anchors(&target.text).any(|anchor| anchor == part)) {
                let what = format!("`{path}` has no heading for `#{part}`");
                findings.push(Finding::new(&file.path, line, what, "name the heading as it is now"));
            }
        }
    }
    findings
}

fn pages(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files().iter().filter(|file| file.path.starts_with("docs/") && file.path.ends_with(".md"))
}

/// The links of a text, with their lines.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).flat_map(|(number, line)| {
        line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(move |link| (number, link))
    })
}

/// The anchors of a document's headings, as GitHub and mdBook make them: lower case, hyphens for spaces, and no punctuation.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

const SUMMARY: &str = "docs/SUMMARY.md";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn each_page_is_in_the_summary_once() {
        let files = [
            (SUMMARY, "[a](a.md)\n[b](b.md)\n[b](b.md)\n"),
            ("docs/a.md", ""),
            ("docs/b.md", ""),
            ("docs/c.md", ""),
        ];

        assert_eq!(places(check, &files), ["docs/b.md:1", "docs/c.md:1"]);
    }

    #[test]
    fn a_page_does_not_link_to_what_the_book_lacks() {
        let files = [("docs/a.md", "\n[map](../ARCHITECTURE.md)"), ("README.md", "[a](docs/a.md)")];

        assert_eq!(places(check, &files), ["docs/a.md:2"]);
    }

    #[test]
    fn links_to_parts_lead_to_headings() {
        let a = "# A\n## Timeouts: a peer, `x_y`\n[here](#a) [gone](#b)\n";
        let files =
            [("docs/a.md", a), ("README.md", "[t](docs/a.md#timeouts-a-peer-x_y)\n[u](docs/a.md#timeouts)")];

        assert_eq!(places(check, &files), ["docs/a.md:3", "README.md:2"]);
    }
}
