//! The image's packages as a software bill of materials.

use serde_json::{Value, json};

use crate::plan::BuildPlan;
use crate::report::FileRecord;
use crate::verify::Package;

/// In [SPDX 2.3](https://spdx.github.io/spdx-spec/v2.3/), each package with its
/// [purl](https://github.com/package-url/purl-spec/blob/main/types-doc/rpm-definition.md). What the
/// image's package database does not tell, licences above all, is NOASSERTION.
pub(super) fn json(plan: &BuildPlan, image: &FileRecord, packages: &[Package]) -> Value {
    const IMAGE: &str = "SPDXRef-Image";
    let id = |number: usize| format!("SPDXRef-Package-{number}");
    let described = json!({
        "SPDXID": IMAGE,
        "name": image.name,
        "versionInfo": plan.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "checksums": [{ "algorithm": "SHA256", "checksumValue": image.sha256 }],
    });
    let listed = packages.iter().enumerate().map(|(number, package)| {
        json!({
            "SPDXID": id(number),
            "name": package.name,
            "versionInfo": version(package),
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl(package),
            }],
        })
    });
    let relation = |from: &str, kind: &str, to: String| {
        json!({
            "spdxElementId": from,
            "relationshipType": kind,
            "relatedSpdxElement": to,
        })
    };
    let mut relationships = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE.to_owned())];
    relationships.extend((0..packages.len()).map(|number| relation(IMAGE, "CONTAINS", id(number))));
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": plan.name,
        // A name that is nobody else's; nothing has to be found there.
        "documentNamespace": format!("https://spdx.org/spdxdocs/{}-{}", plan.name, plan.job),
        "creationInfo": {
            "created": plan.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "creators": [concat!("Tool: image_builder-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": std::iter::once(described).chain(listed).collect::<Vec<_>>(),
        "relationships": relationships,
    })
}

fn version(package: &Package) -> String {
    let epoch = match package.epoch {
        0 => String::new(),
        epoch => format!("{epoch}:"),
    };
    format!("{epoch}{}-{}", package.version, package.release)
}

fn purl(package: &Package) -> String {
    let epoch = match package.epoch {
        0 => String::new(),
        epoch => format!("&epoch={epoch}"),
    };
    format!(
        "pkg:rpm/fedora/{}@{}-{}?arch={}{epoch}",
        encoded(&package.name),
        encoded(&package.version),
        encoded(&package.release),
        package.arch
    )
}

/// With everything escaped that a purl does not take as it is.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_as_purls() {
        let package = Package {
            name: "gcc-c++".into(),
            epoch: 1,
            version: "15~rc1^2".into(),
            release: "1.fc43".into(),
            arch: "x86_64".into(),
            sha256_header: None,
            sigmd5: None,
        };
        assert_eq!(
            purl(&package),
            "pkg:rpm/fedora/gcc-c%2B%2B@15~rc1%5E2-1.fc43?arch=x86_64&epoch=1"
        );
        assert_eq!(version(&package), "1:15~rc1^2-1.fc43");
    }
}
