//! `primary`: each package of a repository.

use std::io::BufRead;

use super::error::Fault;
use super::index::{LONGEST_NAME, LONGEST_SUMMARY, Names};
use super::xml::{Part, Xml};

/// Adds the packages of a repository to `names`; sources are none that an image could have.
///
/// # Errors
///
/// What is wrong with the XML; more than there may be.
pub(super) fn read(from: impl BufRead, names: &mut Names) -> Result<(), Fault> {
    let mut xml = Xml::new(from, "metadata");
    let (mut name, mut summary, mut arch) = (String::new(), String::new(), String::new());
    while let Some(part) = xml.next()? {
        let field = match part {
            Part::Start => match xml.name() {
                "name" => &mut name,
                "summary" => &mut summary,
                "arch" => &mut arch,
                _ => continue,
            },
            Part::End(1) => {
                if !name.is_empty() && !matches!(arch.as_str(), "src" | "nosrc") {
                    names.add(&name, &summary)?;
                }
                name.clear();
                summary.clear();
                arch.clear();
                continue;
            }
            Part::Text | Part::End(_) | Part::Other => continue,
        };
        // Deeper ones are fields of something else.
        if xml.depth() == 3 {
            *field = xml.text(LONGEST_SUMMARY.max(LONGEST_NAME + 1))?;
        }
    }
    Ok(())
}
