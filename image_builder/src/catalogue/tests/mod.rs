//! Repositories of a few packages, good ones and others, read from a server of the tests' own.

mod hostile;
mod kept;
mod reading;
mod site;
mod texts;

use super::index::Names;
use super::{Catalogue, Fault, Limits, comps, primary};

/// `primary` with these names and summaries.
fn primary(packages: &[(&str, &str)]) -> String {
    let packages = packages.iter().map(|(name, summary)| {
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>x86_64</arch><summary>{summary}</summary>\
             <format><rpm:requires><rpm:entry name=\"x\"/></rpm:requires></format></package>\n"
        )
    });
    let packages: String = packages.collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata xmlns=\"http://linux.duke.edu/metadata/common\" \
         xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n{packages}</metadata>\n"
    )
}

/// A catalogue of two texts.
fn catalogue(packages: &str, groups: &str) -> Result<Catalogue, Fault> {
    let limits = Limits::default();
    let mut names = Names::new(&limits);
    primary::read(packages.as_bytes(), &mut names)?;
    let groups = comps::read(groups.as_bytes(), limits.groups)?;
    Ok(Catalogue::new(names, groups, Vec::new()))
}

const COMPS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>core</id>
    <name>Core</name>
    <name xml:lang="de">Kern</name>
    <description>Smallest possible
      installation &amp; no more</description>
    <uservisible>false</uservisible>
    <packagelist>
      <packagereq type="mandatory">bash</packagereq>
      <packagereq type="optional">vim-minimal</packagereq>
    </packagelist>
  </group>
  <group>
    <id>editors</id>
    <name>Editors</name>
    <description>To edit texts.</description>
    <packagelist><packagereq>vim-enhanced</packagereq><packagereq>vim-minimal</packagereq></packagelist>
  </group>
  <group><id>games</id><packagelist><packagereq>nethack</packagereq></packagelist></group>
  <group><id>no; id</id><name>Nobody can ask for it</name></group>
  <category><id>apps</id><grouplist><groupid>editors</groupid></grouplist></category>
  <environment>
    <id>minimal-environment</id>
    <name>Minimal Install</name>
    <description>Basic functionality.</description>
    <grouplist><groupid>core</groupid><groupid>editors</groupid></grouplist>
    <optionlist><groupid default="true">games</groupid></optionlist>
  </environment>
</comps>
"#;
