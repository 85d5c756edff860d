//! Repositories that are as they should be.

use std::io::Read as _;

use tokio_util::sync::CancellationToken;

use super::site::{Site, gzip, read, reader};
use super::{COMPS, primary};
use crate::catalogue::{Catalogue, CatalogueReader};
use crate::repo_create::{Compression, CreateRepo};
use crate::repository::{Repository, Source};
use crate::spec::{Arch, BuildSpec, Format, Trust};

fn names(catalogue: &Catalogue) -> Vec<&str> {
    catalogue.packages().map(|package| package.name).collect()
}

#[tokio::test]
async fn what_createrepo_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["hello", "other"] {
        let mut package =
            rpm::PackageBuilder::new(name, "1.0", "MIT", "noarch", "Says \"<hello>\" & goes");
        let file = folder.path().join(format!("{name}.rpm"));
        package.build().unwrap().write_file(file).unwrap();
    }
    let comps = folder.path().join("comps.xml");
    std::fs::write(&comps, COMPS).unwrap();
    for compression in [Compression::Zstd, Compression::Gzip] {
        let create = CreateRepo {
            comps: Some(comps.clone()),
            compression,
            ..CreateRepo::new(folder.path())
        };
        create.run_blocking(&CancellationToken::new()).unwrap();
        let site = Site::start().await;
        site.folder("/os", folder.path());
        let catalogue = read(site.source("/os")).await.unwrap();
        assert_eq!(names(&catalogue), ["hello", "other"]);
        assert_eq!(
            catalogue.packages().next().unwrap().summary,
            "Says \"<hello>\" & goes"
        );
        assert_eq!(catalogue.groups().len(), 4);
        assert_eq!(catalogue.sources(), [format!("43 ({}/os/)", site.address)]);
    }
    // The same from a folder, for who is here.
    let url = Source::BaseUrl(format!("file://{}", folder.path().display()));
    let repository = Repository {
        groups: false,
        ..Repository::new("here", vec![url])
    };
    let catalogue = CatalogueReader::new(Trust::Local).read(&[repository]).await;
    let catalogue = catalogue.unwrap();
    assert_eq!((catalogue.len(), catalogue.groups().len()), (2, 0));
}

#[tokio::test]
async fn of_two_repositories_the_first_counts() {
    let site = Site::start().await;
    let first = primary(&[("vim", "first"), ("bash", "first")]);
    let second = primary(&[("vim", "second"), ("zsh", "second")]);
    let mut xz = Vec::new();
    let mut packer = liblzma::read::XzEncoder::new(COMPS.as_bytes(), 1);
    packer.read_to_end(&mut xz).unwrap();
    let groups = b"<comps><group><id>core</id><name>Other</name></group><group><id>extra</id></group></comps>";
    // Two members of gzip are one file.
    let (one, other) = second.split_at(100);
    let packed = [gzip(one.as_bytes()), gzip(other.as_bytes())].concat();
    site.repository(
        "/a",
        &[
            ("primary", "p.xml", first.as_bytes()),
            ("group_xz", "c.xml.xz", &xz),
            ("group", "c.xml", b"is not read"),
        ],
    );
    site.repository(
        "/b",
        &[("group", "c.xml", groups), ("primary", "p.xml.gz", &packed)],
    );
    let repositories = ["/a", "/b"].map(|at| Repository::new(at, vec![site.source(at)]));
    let catalogue = reader().read(&repositories).await.unwrap();
    let packages: Vec<_> = catalogue
        .packages()
        .map(|one| (one.name, one.summary))
        .collect();
    assert_eq!(
        packages,
        [("bash", "first"), ("vim", "first"), ("zsh", "second")]
    );
    let groups: Vec<_> = catalogue
        .groups()
        .iter()
        .map(|group| group.id.as_str())
        .collect();
    assert_eq!(
        groups,
        ["core", "editors", "games", "extra", "minimal-environment"]
    );
}

#[tokio::test]
async fn mirrors_are_tried_until_one_works() {
    let site = Site::start().await;
    let text = primary(&[("vim", "")]);
    let files = [("primary", "p.xml", text.as_bytes())];
    let sum = site.repository("/good", &files);
    // One that is behind, and one that has other packages than it was given.
    site.repository("/stale", &[("primary", "p.xml", b"<metadata/>")]);
    site.repository("/forged", &files);
    site.file(
        "/forged/repodata/p.xml",
        primary(&[("evil", "")]).as_bytes(),
    );
    let at = |below: &str| format!("{}{below}", site.address);
    let url = |below: &str, preference: u32| {
        let at = at(below);
        format!("<url protocol=\"http\" preference=\"{preference}\">{at}/repodata/repomd.xml</url>")
    };
    let metalink = format!(
        "<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\"><files><file name=\"repomd.xml\"><size>7</size>\
         <verification><hash type=\"md5\">00</hash><hash type=\"sha256\">{sum}</hash></verification><resources>{}{}{}\
         <url protocol=\"rsync\" preference=\"100\">rsync://host/repodata/repomd.xml</url></resources></file></files></metalink>",
        url("/good", 97),
        url("/stale", 99),
        url("/forged", 98),
    );
    site.file("/metalink?repo=fedora-43", metalink.as_bytes());
    let catalogue = read(Source::mirror(at("/metalink?repo=fedora-43")))
        .await
        .unwrap();
    assert_eq!(names(&catalogue), ["vim"]);
    for asked in ["/stale/repodata/repomd.xml", "/forged/repodata/p.xml"] {
        assert_eq!(site.asked(asked), 1, "{asked}");
    }
    assert_eq!(site.asked("/stale/repodata/p.xml"), 0);

    let list = format!(
        "# repo = fedora\n\nftp://host/os\n{}\n{}\n",
        at("/none"),
        at("/good")
    );
    site.file("/list", list.as_bytes());
    assert_eq!(
        names(&read(Source::mirror(at("/list"))).await.unwrap()),
        ["vim"]
    );
    let many = format!("{}\n", at("/none")).repeat(9);
    site.file("/many", format!("{many}{}\n", at("/good")).as_bytes());
    let error = read(Source::mirror(at("/many")))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/none/repodata/repomd.xml: the server answers 404"),
        "{error}"
    );
    assert_eq!(site.asked("/none/repodata/repomd.xml"), 1 + 3);
}

#[test]
fn a_spec_says_what_is_read() {
    let of = |text: &str| {
        let spec = BuildSpec::parse(text, Format::Ini, "spec").unwrap();
        let found = crate::plan::repositories_of(&spec, &Default::default(), Arch::X86_64).unwrap();
        let sources = found.iter().flat_map(|one| &one.sources);
        sources
            .map(|source| source.url().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("[DEFAULT]\ntype=boot\nrelease=43\n[boot]\nupdates=yes\n43_url=http://host/os\n"),
        [
            "http://host/os",
            "https://mirrors.fedoraproject.org/metalink?repo=updates-released-f43&arch=x86_64"
        ]
    );
    assert_eq!(
        of(
            "[DEFAULT]\ntype=boot\nrelease=43\n[boot]\n43_mirror=http://host/?r=$releasever&a=$basearch\n"
        ),
        ["http://host/?r=43&a=x86_64"]
    );
    assert_eq!(
        of("[DEFAULT]\ntype=live\nrelease=17\n"),
        [
            "https://archives.fedoraproject.org/pub/archive/fedora/linux/releases/17/Everything/x86_64/os/"
        ]
    );
}
