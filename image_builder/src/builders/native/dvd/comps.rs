//! The groups of the DVD: those of the repositories that its packages come from, whole.

use std::collections::BTreeSet;

use crate::compose::ComposeError;
use crate::compose::dnf_cache::CachedRepository;
use crate::context::BuildContext;

/// The kinds of metadata that groups are in; createrepo_c has one for each compression.
const KINDS: [&str; 4] = ["group", "group_gz", "group_zst", "group_xz"];

/// What a groups file holds, beside what only some have.
const ELEMENTS: [&str; 3] = ["group", "category", "environment"];

/// The groups of `repositories` as one file; nothing where none has any.
pub(super) fn of(repositories: &[CachedRepository<'_>], ctx: &BuildContext) -> Option<String> {
    let mut texts = Vec::new();
    for repository in repositories {
        match repository.metadata(&KINDS) {
            Ok(text) => texts.extend(text),
            Err(error @ ComposeError::Io { .. }) => {
                ctx.events.warn(format!("groups are left out: {error}"));
            }
            Err(error) => ctx.events.warn(error.to_string()),
        }
    }
    merge(&texts)
}

/// The texts as one: of groups with one id the first counts, as they come from the repositories
/// in their order.
fn merge(texts: &[String]) -> Option<String> {
    let (first, others) = texts.split_first()?;
    let end = first.rfind("</comps>")?;
    let mut known: BTreeSet<(&str, &str)> = elements(first).map(|(key, _)| key).collect();
    let mut merged = first[..end].to_owned();
    for (key, text) in others.iter().flat_map(|text| elements(text)) {
        if known.insert(key) {
            merged.push_str("  ");
            merged.push_str(text);
            merged.push('\n');
        }
    }
    merged.push_str(&first[end..]);
    Some(merged)
}

/// The elements of a groups file, each with its kind and its id.
fn elements(text: &str) -> impl Iterator<Item = ((&str, &str), &str)> {
    ELEMENTS.into_iter().flat_map(move |kind| {
        let (start, end) = (format!("<{kind}>"), format!("</{kind}>"));
        let mut rest = text;
        std::iter::from_fn(move || {
            let from = rest.find(&start)?;
            let length = rest[from..].find(&end)? + end.len();
            let element = &rest[from..from + length];
            rest = &rest[from + length..];
            let (_, id) = element.split_once("<id>")?;
            Some(((kind, id.split_once("</id>")?.0), element))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_several_repositories_are_one_file() {
        let one = "<?xml?>\n<comps>\n  <group><id>core</id><name>Core</name></group>\n</comps>\n";
        let other = "<comps><group><id>core</id><name>Other</name></group>\
                     <group><id>extra</id></group>\
                     <environment><id>core</id><grouplist><groupid>core</groupid></grouplist>\
                     </environment></comps>";
        let merged = merge(&[one.to_owned(), other.to_owned()]).unwrap();
        assert_eq!(
            merged,
            "<?xml?>\n<comps>\n  <group><id>core</id><name>Core</name></group>\n\
             \x20 <group><id>extra</id></group>\n\
             \x20 <environment><id>core</id><grouplist><groupid>core</groupid></grouplist>\
             </environment>\n</comps>\n"
        );
        assert_eq!(merge(&[one.to_owned()]).unwrap(), one);
        assert_eq!(merge(&[]), None);
    }
}
