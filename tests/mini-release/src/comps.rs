//! The groups of packages, as `comps.xml`.

use crate::{names, own, recipe};

/// A group, all of whose packages are mandatory.
#[derive(Debug)]
struct Group {
    id: &'static str,
    name: &'static str,
    packages: Vec<&'static str>,
}

/// The `comps.xml` of the release.
pub(crate) fn xml() -> String {
    let groups = [
        Group {
            id: "core",
            name: "Core",
            packages: fedora_names(recipe::CORE, own::CORE),
        },
        Group {
            id: "standard",
            name: "Standard",
            packages: fedora_names(recipe::STANDARD, own::STANDARD),
        },
    ];
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <!DOCTYPE comps PUBLIC \"-//Red Hat, Inc.//DTD Comps info//EN\" \"comps.dtd\">\n\
        <comps>\n"
        .to_owned();
    for group in &groups {
        xml.push_str(&group.xml());
    }
    xml.push_str(
        "  <environment>\n    <id>minimal-environment</id>\n    <name>Minimal Install</name>\n    \
         <description>Basic functionality.</description>\n    <display_order>1</display_order>\n    \
         <grouplist>\n      <groupid>core</groupid>\n    </grouplist>\n    \
         <optionlist>\n      <groupid>standard</groupid>\n    </optionlist>\n  </environment>\n\
         </comps>\n",
    );
    xml
}

impl Group {
    fn xml(&self) -> String {
        let mut xml = format!(
            "  <group>\n    <id>{}</id>\n    <name>{}</name>\n    <description/>\n    \
             <default>false</default>\n    <uservisible>true</uservisible>\n    <packagelist>\n",
            self.id, self.name
        );
        for package in &self.packages {
            xml.push_str(&format!(
                "      <packagereq type=\"mandatory\">{package}</packagereq>\n"
            ));
        }
        xml.push_str("    </packagelist>\n  </group>\n");
        xml
    }
}

fn fedora_names(debian: &[&'static str], own: &[&'static str]) -> Vec<&'static str> {
    let mut names: Vec<_> = debian.iter().map(|name| names::fedora(name)).collect();
    names.extend(own);
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_have_fedora_names() {
        let xml = xml();
        for name in ["glibc", "mini-release", "systemd-udev", "fbs-hello", "zstd"] {
            assert!(xml.contains(&format!(">{name}</packagereq>")), "{name}");
        }
        assert!(!xml.contains(">libc6<"));
        assert_eq!(xml.matches("<group>").count(), 2);
        assert_eq!(xml.matches("<environment>").count(), 1);
    }

    #[test]
    fn no_faulty_package_is_in_a_group() {
        for package in own::faulty() {
            assert!(!xml().contains(&package.name), "{}", package.name);
        }
    }
}
