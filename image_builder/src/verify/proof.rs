//! The proof that Koji builds are in an image: what was asked for against what the finished image
//! itself says it holds.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use rpmrepo_metadata::Evr;
use serde::{Deserialize, Serialize};

use super::packages::Package;
use crate::koji::{Build, ChosenRpm, PayloadHash, Rpm, RpmDigest};
use crate::spec::RequireLanded;

/// How it is known that a package in the image is the one that Koji built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The very file that Koji built lies on the image, or the image's package database has its
    /// checksum.
    Checksum,
    /// Name, version, release and architecture are the same; the image's list has no more.
    Name,
}

/// A package of a build that is in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landed {
    /// `name-[epoch:]version-release.arch`
    pub package: String,
    /// How that is known.
    pub evidence: Evidence,
}

/// Why a package of a build is not in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Absence {
    /// Nothing in the package set wanted it.
    NotPulledIn,
    /// A newer one is there.
    NewerThere {
        /// Which.
        package: String,
    },
    /// An older one is there.
    OlderThere {
        /// Which.
        package: String,
    },
    /// One of the same version is there, and it is not the file that Koji has.
    OtherContent {
        /// Which.
        package: String,
    },
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPulledIn => f.write_str("not pulled in by the package set"),
            Self::NewerThere { package } => write!(f, "replaced by the newer {package}"),
            Self::OlderThere { package } => write!(f, "the older {package} is there instead"),
            Self::OtherContent { package } => {
                write!(f, "{package} is there with other content than the hub's")
            }
        }
    }
}

/// A package of a build that is not in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// `name-[epoch:]version-release.arch`
    pub package: String,
    /// Why.
    #[serde(flatten)]
    pub absence: Absence,
}

/// A build that was asked for, and what of it is in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildProof {
    /// `NAME-VERSION-RELEASE`
    pub nvr: String,
    /// What the hub says of it.
    pub build: Build,
    /// Its packages in the image.
    pub landed: Vec<Landed>,
    /// Its packages that are not.
    pub missing: Vec<Missing>,
}

/// The proof for each build, in their order. `rpms` are those that were in the side repository,
/// `headers` the SHA-256 of their headers by file name.
#[must_use]
pub fn prove(
    builds: &[Build],
    rpms: &[ChosenRpm],
    headers: &BTreeMap<String, String>,
    image: &[Package],
) -> Vec<BuildProof> {
    let prove = |build: &Build| {
        let (mut landed, mut missing) = (Vec::new(), Vec::new());
        for chosen in rpms.iter().filter(|rpm| rpm.rpm.build_id == build.id) {
            let package = nevra(&chosen.rpm);
            match find(chosen, headers.get(&chosen.file_name), image) {
                Ok(evidence) => landed.push(Landed { package, evidence }),
                Err(absence) => missing.push(Missing { package, absence }),
            }
        }
        BuildProof {
            nvr: build.nvr(),
            build: build.clone(),
            landed,
            missing,
        }
    };
    builds.iter().map(prove).collect()
}

/// The builds without which the image is not what was asked for, in a line each.
#[must_use]
pub fn not_landed(proofs: &[BuildProof], required: RequireLanded) -> Vec<String> {
    let absent = |proof: &&BuildProof| proof.landed.is_empty();
    let enough = match required {
        RequireLanded::All => !proofs.iter().any(|proof| absent(&proof)),
        RequireLanded::Any => proofs.is_empty() || proofs.iter().any(|proof| !absent(&proof)),
        RequireLanded::None => true,
    };
    if enough {
        return Vec::new();
    }
    let line = |proof: &BuildProof| {
        let mut reasons: Vec<String> = proof
            .missing
            .iter()
            .map(|one| one.absence.to_string())
            .collect();
        reasons.dedup();
        format!("{}: {}", proof.nvr, reasons.join("; "))
    };
    proofs.iter().filter(absent).map(line).collect()
}

/// The RPM in the image, or why it is not there.
fn find(
    chosen: &ChosenRpm,
    header: Option<&String>,
    image: &[Package],
) -> Result<Evidence, Absence> {
    let rpm = &chosen.rpm;
    let same_name = |package: &&Package| {
        package.name == rpm.name
            && (package.arch == rpm.arch
                || [&package.arch, &rpm.arch]
                    .iter()
                    .any(|arch| *arch == "noarch"))
    };
    let mut absence = Absence::NotPulledIn;
    for package in image.iter().filter(same_name) {
        let named = package.nevra();
        match evr_of(package).cmp(&evr(rpm)) {
            Ordering::Greater => absence = Absence::NewerThere { package: named },
            Ordering::Less => absence = Absence::OlderThere { package: named },
            Ordering::Equal => match is_that_file(package, &chosen.payload_hash, header) {
                None => return Ok(Evidence::Name),
                Some(true) => return Ok(Evidence::Checksum),
                Some(false) => absence = Absence::OtherContent { package: named },
            },
        }
    }
    Err(absence)
}

/// Whether a package was installed from that RPM; unknown where the image keeps no checksum.
fn is_that_file(package: &Package, hash: &PayloadHash, header: Option<&String>) -> Option<bool> {
    let same = |ours: &str, theirs: &str| ours.eq_ignore_ascii_case(theirs);
    match (&package.sha256_header, header, &package.sigmd5) {
        (Some(theirs), Some(ours), _) => Some(same(ours, theirs)),
        (_, _, Some(theirs)) if hash.digest() == RpmDigest::SigMd5 => {
            Some(same(hash.hex(), theirs))
        }
        _ => None,
    }
}

fn evr(rpm: &Rpm) -> Evr<'static> {
    Evr::new(
        rpm.epoch.unwrap_or(0).to_string(),
        rpm.version.clone(),
        rpm.release.clone(),
    )
}

fn evr_of(package: &Package) -> Evr<'static> {
    Evr::new(
        package.epoch.to_string(),
        package.version.clone(),
        package.release.clone(),
    )
}

fn nevra(rpm: &Rpm) -> String {
    Package {
        name: rpm.name.clone(),
        epoch: rpm.epoch.unwrap_or(0),
        version: rpm.version.clone(),
        release: rpm.release.clone(),
        arch: rpm.arch.clone(),
        sha256_header: None,
        sigmd5: None,
    }
    .nevra()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::koji::BuildId;

    const SUM: &str = "6f49b28dc57d5bc12feeecdacc078949";

    fn chosen(name: &str, version: &str) -> ChosenRpm {
        ChosenRpm {
            rpm: Rpm {
                id: 1,
                build_id: BuildId(7),
                name: name.to_owned(),
                version: version.to_owned(),
                release: "1.fc43".to_owned(),
                epoch: None,
                arch: "x86_64".to_owned(),
                size: 1,
                payloadhash: SUM.to_owned(),
                draft: false,
                metadata_only: false,
            },
            payload_hash: SUM.parse().unwrap(),
            file_name: format!("{name}-{version}-1.fc43.x86_64.rpm"),
            urls: Vec::new(),
            build: format!("a-{version}-1.fc43"),
        }
    }

    fn installed(name: &str, version: &str, sigmd5: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            epoch: 0,
            version: version.to_owned(),
            release: "1.fc43".to_owned(),
            arch: "x86_64".to_owned(),
            sha256_header: None,
            sigmd5: sigmd5.map(str::to_owned),
        }
    }

    fn proof(image: &[Package]) -> BuildProof {
        let builds = [Build::new(BuildId(7), "a", "1.10", "1.fc43")];
        prove(
            &builds,
            &[chosen("a", "1.10"), chosen("a-libs", "1.10")],
            &BTreeMap::new(),
            image,
        )
        .remove(0)
    }

    #[test]
    fn a_package_is_proved_by_its_checksum_or_by_its_name() {
        let proof = proof(&[
            installed("a", "1.10", Some(SUM)),
            installed("a-libs", "1.10", None),
        ]);
        let evidence: Vec<_> = proof.landed.iter().map(|one| one.evidence).collect();
        assert_eq!(evidence, [Evidence::Checksum, Evidence::Name]);
        assert_eq!(proof.landed[0].package, "a-1.10-1.fc43.x86_64");
    }

    #[test]
    fn the_header_goes_before_the_payload() {
        let hash: PayloadHash = SUM.parse().unwrap();
        let mut package = installed("a", "1.10", Some(SUM));
        let is =
            |package: &Package, ours: &str| is_that_file(package, &hash, Some(&ours.to_owned()));
        assert_eq!(is(&package, "ab"), Some(true));
        package.sha256_header = Some("AB".to_owned());
        assert_eq!(is(&package, "ab"), Some(true));
        assert_eq!(is(&package, "cd"), Some(false));
        // An MD5 says nothing of an RPM that the hub knows by another digest.
        package.sha256_header = None;
        let other = format!("sha256::{}", "ab".repeat(32)).parse().unwrap();
        assert_eq!(is_that_file(&package, &other, None), None);
    }

    #[test]
    fn what_is_absent_says_why() {
        for (image, why) in [
            (
                installed("b", "1.10", None),
                "not pulled in by the package set",
            ),
            // By rpm's order, not by that of text.
            (
                installed("a", "1.9", None),
                "the older a-1.9-1.fc43.x86_64 is there instead",
            ),
            (
                installed("a", "1.10.1", None),
                "replaced by the newer a-1.10.1-1.fc43.x86_64",
            ),
            (
                installed("a", "1.10", Some("00000000000000000000000000000000")),
                "a-1.10-1.fc43.x86_64 is there with other content than the hub's",
            ),
        ] {
            let proof = proof(&[image]);
            assert!(proof.landed.is_empty());
            assert_eq!(proof.missing[0].absence.to_string(), why);
        }
    }

    #[test]
    fn how_much_must_have_landed() {
        let none = proof(&[]);
        let some = proof(&[installed("a", "1.10", Some(SUM))]);
        let both = [none.clone(), some.clone()];
        assert_eq!(
            not_landed(&both, RequireLanded::All),
            ["a-1.10-1.fc43: not pulled in by the package set"]
        );
        assert!(not_landed(&both, RequireLanded::Any).is_empty());
        assert_eq!(
            not_landed(std::slice::from_ref(&none), RequireLanded::Any).len(),
            1
        );
        assert!(not_landed(&[none], RequireLanded::None).is_empty());
        assert!(not_landed(&[some], RequireLanded::All).is_empty());
    }
}
