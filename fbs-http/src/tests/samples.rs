//! Specs to begin with, and specs that somebody has, in the form.

use std::collections::BTreeMap;

use image_builder::spec::{BuildSpec, Format};
use serde_json::Value;

use super::pages::{form, html, sent_on};
use super::site::{Site, Worked};

#[tokio::test]
async fn every_sample_can_be_submitted_from_the_form_as_it_is() {
    let site = Site::new(Worked::Nowhere).await;
    let page = html(&site.get("/samples?release=42").await.expect(200));
    for name in ["boot", "koji", "live", "dvd"] {
        assert!(
            page.contains(&format!("/samples/{name}.conf?release=42")),
            "{name}: {page}"
        );
        let file = site
            .get(&format!("/samples/{name}.conf?release=42"))
            .await
            .expect(200);
        let conf = file.text();
        assert!(conf.contains("release=42"), "{conf}");
        let mut fields = vec![("spec", conf)];
        if page.contains(&format!("/samples/{name}.ks")) {
            let kickstart = site
                .get(&format!("/samples/{name}.ks"))
                .await
                .expect(200)
                .text();
            fields.push(("kickstart", kickstart));
        }
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        sent_on(site.send(form("/new", &fields)).await);
        // The same, by the links of the page.
        for place in ["/new", "/new/text"] {
            let page = html(
                &site
                    .get(&format!("{place}?sample={name}&release=42"))
                    .await
                    .expect(200),
            );
            assert!(page.contains("42"), "{page}");
        }
    }
    site.get("/samples?release=x").await.expect(400);
    site.get("/samples/none.conf").await.expect(404);
    site.get("/samples/boot.ks").await.expect(404);
    site.get("/new?sample=none").await.expect(404);
}

/// The value of a field on a page.
#[track_caller]
fn value(page: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let rest = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no {name}: {page}"))
        .1;
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_spec_that_somebody_has_goes_into_the_fields_and_out_again() {
    let site = Site::new(Worked::Nowhere).await;
    let text = "[DEFAULT]\ntype=boot\nrelease=43\narch=x86_64\nemail=a@b.org\nnvr=vim-9.1-1.fc43;nano-8.0-1.fc43;\n\
                [boot]\n43_url=http://host/os%%20x\n43-updates_url=http://host/updates\ncompression=xz\nupdates=yes\ngroups=core\n[live]\nlabel=x\n";
    let toml = "[DEFAULT]\ntype = \"boot\"\nrelease = \"43\"\n[boot]\nnvr = [\"vim-9.1-1.fc43\", \"nano-8.0-1.fc43\"]\n";
    let json = r#"{"DEFAULT": {"type": "boot", "release": "43"}, "boot": {"nvr": ["vim-9.1-1.fc43", "nano-8.0-1.fc43"]}}"#;
    for text in [text, toml, json] {
        let page = html(
            &site
                .send(form("/new/open", &[("spec_file", text)]))
                .await
                .expect(200),
        );
        assert_eq!(
            value(&page, "nvr"),
            "vim-9.1-1.fc43; nano-8.0-1.fc43",
            "{text}"
        );
    }
    let page = html(
        &site
            .send(form("/new/open", &[("spec", text), ("kickstart", "")]))
            .await
            .expect(200),
    );
    assert_eq!(value(&page, "email"), "a@b.org");
    assert_eq!(value(&page, "repository"), "http://host/os%20x");
    assert!(
        page.contains("<details open>") && page.contains("compression=xz\ngroups=@core\n"),
        "{page}"
    );
    // What the form shows makes the same spec, but for the section of another image.
    let fields = [
        ("type", "boot"),
        ("release", "43"),
        ("arch", "x86_64"),
        ("email", "a@b.org"),
        ("nvr", "vim-9.1-1.fc43; nano-8.0-1.fc43"),
        ("repository", "http://host/os%20x"),
        ("updates", "yes"),
        (
            "more",
            "# a comment\n43-updates_url=http://host/updates\n\ncompression = xz\ngroups=core\n",
        ),
    ];
    let made = site
        .send(form("/new/spec", &fields))
        .await
        .expect(200)
        .text();
    // What [DEFAULT] says holds for the image as well.
    let read = |text: &str| -> BTreeMap<String, Value> {
        let spec = BuildSpec::parse(text, Format::Ini, "s").unwrap();
        let mut sections = serde_json::to_value(spec).unwrap();
        let keys = ["DEFAULT", "boot"].map(|name| sections[name].take());
        let keys = keys
            .into_iter()
            .map(|keys| serde_json::from_value(keys).unwrap());
        keys.flat_map(|keys: BTreeMap<String, Value>| keys)
            .collect()
    };
    assert_eq!(read(&made), read(text));
    // One with mistakes stays as it was written, and they are told.
    let page = html(
        &site
            .send(form(
                "/new/open",
                &[("spec_file", "[DEFAULT]\ntype=boot\nrelase=43\n")],
            ))
            .await
            .expect(422),
    );
    assert!(
        page.contains("relase=43") && page.contains("line 3: "),
        "{page}"
    );
    html(
        &site
            .send(form("/new/open", &[("spec_file", "")]))
            .await
            .expect(422),
    );
}

#[tokio::test]
async fn further_keys_that_say_nothing_are_mistakes_at_their_field() {
    let site = Site::new(Worked::Nowhere).await;
    let fields = |more| [("type", "boot"), ("release", "43"), ("more", more)];
    for (more, words) in [
        ("compression", "line 1: &#34;compression&#34; sets nothing"),
        ("\nnvr=a-1-1", "line 2: nvr has a field of its own"),
        (
            "timeout=1h\ntimeout=2h",
            "line 2: timeout stands here twice",
        ),
        ("compresion=xz", "compresion"),
        ("timeout=soon", "timeout: "),
        ("staging=/srv", "staging has a field of its own"),
    ] {
        let page = html(&site.send(form("/new", &fields(more))).await.expect(422));
        let help = page.split_once("id=\"h-more\">").unwrap().1;
        let help = help.split_once("</div>").unwrap().0;
        assert!(help.contains(words), "{more}: {help}");
    }
    let jobs = site.get("/api/v1/jobs").await.expect(200).json();
    assert_eq!(jobs["jobs"], serde_json::json!([]));
}

#[tokio::test]
async fn a_job_is_changed_in_the_form() {
    let site = Site::new(Worked::Nowhere).await;
    let id = site.submit("@core;vim").await;
    let page = html(&site.get(&format!("/new?job={id}")).await.expect(200));
    assert_eq!(value(&page, "packages"), "@core; vim");
    site.get("/new?job=none").await.expect(404);
    // It is found by what its spec says.
    let found = site.get("/api/v1/jobs?q=VIM+43").await.expect(200).json();
    assert_eq!(found["jobs"][0]["id"], id.as_str());
    let none = site.get("/api/v1/jobs?q=emacs").await.expect(200).json();
    assert_eq!(none["jobs"], serde_json::json!([]));
    let page = html(&site.get("/?q=%3Ci%3E").await.expect(200));
    assert!(
        page.contains("No jobs here") && !page.contains("<i>"),
        "{page}"
    );
}
