//! What is read of the files, and what is found in it.

use super::{COMPS, catalogue, primary};
use crate::catalogue::Group;

#[test]
fn a_package_is_one_whatever_its_versions() {
    let text = primary(&[
        (
            "zsh",
            "A shell &lt;with&gt; <![CDATA[<much>]]> &#x201e;to set&#8220;",
        ),
        ("bash", "  The GNU shell\nsecond line"),
        ("zsh", "of a newer version"),
        ("no; name", "that a spec can have"),
        ("nothing-said", ""),
    ]);
    let source = "<package><name>vim</name><arch>src</arch></package>";
    let text = text.replace("</metadata>", &format!("{source}</metadata>"));
    let catalogue = catalogue(&text, "<comps/>").unwrap();
    let found: Vec<_> = catalogue
        .packages()
        .map(|one| (one.name, one.summary))
        .collect();
    assert_eq!(
        found,
        [
            ("bash", "The GNU shell"),
            ("nothing-said", ""),
            ("zsh", "A shell <with> <much> \u{201e}to set\u{201c}"),
        ]
    );
    assert_eq!((catalogue.len(), catalogue.groups()), (3, &[][..]));
}

#[test]
fn groups_are_told_with_how_many_packages_they_have() {
    let catalogue = catalogue("<metadata/>", COMPS).unwrap();
    let told = |group: &Group| (group.entry(), group.name.clone(), group.packages);
    let told: Vec<_> = catalogue.groups().iter().map(told).collect();
    let expected = [
        ("@core", "Core", 2),
        ("@editors", "Editors", 2),
        ("@games", "", 1),
        // What two of its groups have is one package, and what it only offers is none of its own.
        ("@^minimal-environment", "Minimal Install", 3),
    ];
    let expected = expected.map(|(entry, name, count)| (entry.to_owned(), name.to_owned(), count));
    assert_eq!(told, expected);
    assert_eq!(
        catalogue.groups()[0].description,
        "Smallest possible installation & no more"
    );
}

#[test]
fn what_fits_best_is_found_first() {
    let text = primary(&[
        ("gvim", "The Vim editor with windows"),
        ("nano", "A small text editor"),
        ("neovim", "Vim-fork focused on extensibility"),
        ("vim", "Exactly that"),
        (
            "vim-enhanced",
            "A version of the VIM editor with recent enhancements",
        ),
        ("vim-minimal", "A minimal version of the VIM editor"),
        ("vis", "An editor like Vim"),
        ("xvi", "neither of previmation nor revim"),
    ]);
    let catalogue = catalogue(&text, COMPS).unwrap();
    let names = |query: &str, limit| {
        let found = catalogue.find(query, limit);
        let packages = found.packages.iter().map(|package| package.name.to_owned());
        let groups = found.groups.iter().map(|group| group.entry());
        groups.chain(packages).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        names("ViM", 9),
        "vim vim-enhanced vim-minimal gvim neovim vis"
    );
    assert_eq!(names(" vim ", 4), "vim vim-enhanced vim-minimal gvim");
    // Each word is looked for, in the name or in what is said.
    assert_eq!(names("minimal editor", 9), "vim-minimal");
    assert_eq!(
        names("edit", 9),
        "@editors gvim nano vim-enhanced vim-minimal vis"
    );
    assert_eq!(names("install", 9), "@^minimal-environment @core");
    assert_eq!(names("@vim", 9), "");
    assert_eq!(names("@^MINIMAL", 9), "@^minimal-environment");
    for nothing in ["", " ", "@", "zzz"] {
        assert_eq!(names(nothing, 9), "", "{nothing:?}");
    }
}
