//! Groups and environments, as [comps](https://fedoraproject.org/wiki/How_to_use_and_edit_comps.xml_for_package_groups)
//! has them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use super::error::Fault;
use super::index::{Group, LONGEST_NAME, is_plain};
use super::xml::{Part, Xml};

/// Bytes that stay of a description.
const LONGEST_DESCRIPTION: usize = 600;

/// As many members all groups have together, for each group that there may be.
const MEMBERS: usize = 100;

/// As many environments there are at most; Fedora has forty. The packages of each are counted.
const ENVIRONMENTS: usize = 200;

/// A group while it is read, or an environment, the members of which are groups.
#[derive(Default)]
struct Written {
    id: String,
    name: String,
    description: String,
    members: BTreeSet<String>,
}

/// The groups and environments of a repository, at most `most`.
///
/// # Errors
///
/// What is wrong with the XML; more than there may be.
pub(super) fn read(from: impl BufRead, most: usize) -> Result<Vec<Group>, Fault> {
    let mut xml = Xml::new(from, "comps");
    let (mut groups, mut environments) = (Vec::new(), Vec::new());
    // What is open, and whether it is an environment.
    let mut open: Option<(Written, bool)> = None;
    let (mut is_offered, mut members) = (false, 0);
    while let Some(part) = xml.next()? {
        match part {
            Part::Start => {}
            Part::End(1) => {
                match open.take().filter(|(written, _)| is_plain(&written.id)) {
                    Some((written, true)) => environments.push(written),
                    Some((written, false)) => groups.push(written),
                    None => {}
                }
                if groups.len() + environments.len() > most {
                    return Err(too_large(most, "groups"));
                }
                if environments.len() > ENVIRONMENTS {
                    return Err(too_large(ENVIRONMENTS, "environments"));
                }
                continue;
            }
            Part::Text | Part::End(_) | Part::Other => continue,
        }
        let is_translated = || xml.attribute("xml:lang").is_some();
        let field = match (xml.depth(), xml.name(), &mut open) {
            (2, name @ ("group" | "environment"), _) => {
                open = Some((Written::default(), name == "environment"));
                continue;
            }
            (3, "id", Some((written, _))) => &mut written.id,
            (3, "name", Some((written, _))) if !is_translated() => &mut written.name,
            (3, "description", Some((written, _))) if !is_translated() => &mut written.description,
            (3, name, Some(_)) => {
                // What an environment only offers is not in it.
                is_offered = name == "optionlist";
                continue;
            }
            (4, "packagereq", Some((written, false))) | (4, "groupid", Some((written, true)))
                if !is_offered =>
            {
                members += 1;
                if members > most.saturating_mul(MEMBERS) {
                    return Err(too_large(most.saturating_mul(MEMBERS), "members of groups"));
                }
                let member = xml.text(LONGEST_NAME)?;
                written.members.insert(member);
                continue;
            }
            _ => continue,
        };
        *field = one_line(&xml.text(LONGEST_DESCRIPTION)?);
    }
    Ok(finished(groups, environments))
}

/// Counts the packages of each; those of an environment once, of however many groups they are.
fn finished(groups: Vec<Written>, environments: Vec<Written>) -> Vec<Group> {
    let by_id: BTreeMap<&str, &BTreeSet<String>> = groups
        .iter()
        .map(|group| (group.id.as_str(), &group.members))
        .collect();
    let packages_of = |environment: &Written| {
        let ids = environment.members.iter();
        let packages = ids.filter_map(|id| by_id.get(id.as_str()));
        packages.copied().flatten().collect::<BTreeSet<_>>().len()
    };
    let counts: Vec<usize> = environments.iter().map(packages_of).collect();
    let of = |written: Written, packages, is_environment| Group {
        id: written.id,
        name: written.name,
        description: written.description,
        packages,
        is_environment,
    };
    let environments = environments.into_iter().zip(counts);
    let environments: Vec<Group> = environments
        .map(|(written, packages)| of(written, packages, true))
        .collect();
    let groups = groups.into_iter().map(|written| {
        let packages = written.members.len();
        of(written, packages, false)
    });
    groups.chain(environments).collect()
}

/// A text without the line ends and the blanks that XML was written with.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn too_large(limit: usize, what: &'static str) -> Fault {
    let limit = limit as u64;
    Fault::TooLarge { limit, what }
}
