use crate::kickstart::{
    Firstboot, Kickstart, Partition, Password, RepoUrl, Secret, SectionKind, Selinux, Settings,
};

fn settings(text: &str) -> Settings {
    Kickstart::parse(text, "a.ks").unwrap().settings().unwrap()
}

fn mistakes(text: &str) -> String {
    let kickstart = Kickstart::parse(text, "a.ks").unwrap();
    kickstart.settings().unwrap_err().to_string()
}

#[test]
fn every_command_has_its_value() {
    let read = settings(
        "lang en_US.UTF-8 --addsupport=de_DE,fr_FR\n\
         keyboard --vckeymap=de --xlayouts='de (nodeadkeys)','us'\n\
         timezone Europe/Sofia --isUtc\n\
         rootpw --iscrypted $6$x\n\
         group --name=data --gid=5000\n\
         user --name=qa --groups=wheel,data --password=s3cret --uid=1001 --gecos='Q A' --lock\n\
         sshkey --username=qa 'ssh-ed25519 AAAA qa@host'\n\
         services --enabled=sshd --disabled=a,b\n\
         firewall --enabled --service=mdns,ssh --port=1:tcp --http\n\
         selinux --permissive\n\
         network --bootproto=dhcp --device=link --activate --noipv6\n\
         network --hostname=live.example\n\
         bootloader --append='console=ttyS0 a=b' --timeout=1 --extlinux\n\
         part / --size=6144 --fstype ext4 --grow\n\
         xconfig --startxonboot\n\
         firstboot --reconfig\n\
         skipx\n\
         url --url=http://host/os\n\
         zerombr\nauthselect select minimal\n\
         %addon com_redhat_kdump --enable\n%end\n",
    );
    let lang = read.lang.as_ref().unwrap();
    assert_eq!(lang.addsupport, ["de_DE", "fr_FR"]);
    let keyboard = read.keyboard.as_ref().unwrap();
    assert_eq!(keyboard.vckeymap.as_deref(), Some("de"));
    assert_eq!(keyboard.xlayouts, ["de (nodeadkeys)", "us"]);
    let timezone = read.timezone.as_ref().unwrap();
    assert_eq!(timezone.zone.as_deref(), Some("Europe/Sofia"));
    assert!(timezone.utc && !timezone.nontp);
    let rootpw = read.rootpw.as_ref().unwrap();
    assert_eq!(rootpw.password, Some(Password::Hashed(Secret::new("$6$x"))));
    assert_eq!(read.groups[0].gid, Some(5000));
    let user = &read.users[0];
    assert_eq!(user.groups, ["wheel", "data"]);
    assert_eq!(user.gecos.as_deref(), Some("Q A"));
    assert_eq!(user.password, Some(Password::Plain(Secret::new("s3cret"))));
    assert!(user.lock);
    assert_eq!(read.ssh_keys[0].key, "ssh-ed25519 AAAA qa@host");
    assert_eq!(read.services.as_ref().unwrap().disabled, ["a", "b"]);
    let firewall = read.firewall.as_ref().unwrap();
    assert_eq!(firewall.services, ["mdns", "ssh", "http"]);
    assert_eq!(
        (firewall.enabled, &firewall.ports[..]),
        (Some(true), &["1:tcp".to_owned()][..])
    );
    assert_eq!(read.selinux.as_ref().unwrap().value, Selinux::Permissive);
    assert_eq!(read.networks[0].other, ["--noipv6"]);
    let hostname = read.hostname().unwrap();
    assert_eq!(hostname.value, "live.example");
    assert_eq!(hostname.place.to_string(), "a.ks:12");
    let bootloader = read.bootloader.as_ref().unwrap();
    assert_eq!(bootloader.append.as_deref(), Some("console=ttyS0 a=b"));
    assert_eq!(
        (bootloader.timeout, &bootloader.other[..]),
        (Some(1), &["--extlinux".to_owned()][..])
    );
    assert_eq!(
        read.root_partition().unwrap().value,
        Partition {
            mountpoint: "/".into(),
            size_mib: Some(6144),
            fstype: Some("ext4".into()),
            label: None,
            other: vec!["--grow".into()],
        }
    );
    assert!(read.xconfig.as_ref().unwrap().startxonboot);
    assert_eq!(read.firstboot.as_ref().unwrap().value, Firstboot::Reconfig);
    assert!(read.skipx.is_some());
    assert_eq!(
        read.url.as_ref().unwrap().url,
        RepoUrl::Base("http://host/os".into())
    );
    let other: Vec<_> = read.other.iter().map(|command| command.name()).collect();
    assert_eq!(other, ["zerombr", "authselect"]);
    assert_eq!(read.other_sections[0].kind(), SectionKind::Addon);
    assert_eq!(read.packages, None);
    assert!(!format!("{read:?}").contains("s3cret"));
}

#[test]
fn repositories() {
    let line = "repo --name=f --metalink=https://host/?a=b&c=d --cost=5 \
                --excludepkgs=a*,b --includepkgs=c --proxy=http://p:1 --ignoregroups=true \
                --noverifyssl --install --sslcacert=/ca";
    let read = settings(&format!(
        "{line}\nrepo --name=updates\nrepo --name=x --baseurl=http://me:pw@h/#1\n"
    ));
    let repo = &read.repos[0];
    assert_eq!(repo.excludepkgs, ["a*", "b"]);
    assert!(repo.ignoregroups && repo.install && repo.noverifyssl);
    assert_eq!(repo.to_string(), line);
    assert_eq!(read.repos[1].url, None);
    assert_eq!(read.repos[1].to_string(), "repo --name=updates");
    assert!(!format!("{read:?}").contains("pw@"));
    assert_eq!(
        mistakes(
            "repo --baseurl=http://h\nrepo --name=a --baseurl=x --metalink=y\n\
             repo --name=a/b --baseurl=x\nrepo --name=a --baseurl=--x\nurl\n"
        ),
        "a.ks:1: repo: --name is missing; it must be given\n\
         a.ks:2: repo: it has more than one address; expected one of --baseurl, --mirrorlist, --metalink\n\
         a.ks:3: repo: \"a/b\" is not a repository's name; expected letters, digits and \"._:-\"\n\
         a.ks:4: repo: \"--x\" is not an address; expected a URL\n\
         a.ks:5: url: it has no address; expected one of --url, --mirrorlist, --metalink"
    );
}

#[test]
fn the_last_one_counts_and_keeps_what_it_does_not_say() {
    let read = settings(
        "services --enabled=a --disabled=b\nservices --enabled=c\n\
         bootloader --append=x --timeout=1\nbootloader --timeout=2\n\
         rootpw one\nrootpw --lock\nfirewall --service=a\nfirewall --disabled --service=b\n\
         part / --size=1\npart / --size=2\n",
    );
    let services = read.services.as_ref().unwrap();
    assert_eq!(
        (&services.enabled[..], &services.disabled[..]),
        (&["c".to_owned()][..], &["b".to_owned()][..])
    );
    let bootloader = read.bootloader.as_ref().unwrap();
    assert_eq!(
        (bootloader.append.as_deref(), bootloader.timeout),
        (Some("x"), Some(2))
    );
    assert_eq!(read.firewall.as_ref().unwrap().services, ["a", "b"]);
    assert_eq!(read.firewall.as_ref().unwrap().enabled, Some(false));
    assert_eq!(read.root_partition().unwrap().size_mib, Some(2));
    assert_eq!(read.rootpw.as_ref().unwrap().place.to_string(), "a.ks:6");
}

#[test]
fn scripts() {
    let read = settings(
        "%pre\n\n%end\n%pre-install --interpreter=/usr/bin/python3\npass\n%end\n\
         %post --nochroot --log /root/x --erroronfail\necho\n%end\n%onerror\nx\n%end\n",
    );
    let kinds: Vec<_> = read.scripts.iter().map(|script| script.kind).collect();
    assert_eq!(
        kinds,
        [
            SectionKind::PreInstall,
            SectionKind::Post,
            SectionKind::OnError
        ]
    );
    assert_eq!(read.scripts[0].interpreter, "/usr/bin/python3");
    let post = &read.scripts[1];
    assert!(!post.in_root && post.error_on_fail);
    assert_eq!(
        (post.log.as_deref(), post.text().as_str()),
        (Some("/root/x"), "echo\n")
    );
    assert_eq!(post.interpreter, "/bin/sh");
}

#[test]
fn mistakes_do_not_repeat_passwords() {
    let text = mistakes(
        "rootpw s3cret s3cret\nrootpw\nuser --password=s3cret\nuser --name=x --pasword=s3cret\n\
         %pre --nochroot\nx\n%end\n%include b.ks\n",
    );
    assert!(!text.contains("s3cret"), "{text}");
    assert_eq!(
        text,
        "a.ks:8: another text is included here; flatten the kickstart first\n\
         a.ks:1: rootpw: there are too many arguments; it takes one; put quotes around one with blanks\n\
         a.ks:2: rootpw: the password is missing; it must be given\n\
         a.ks:3: user: --name is missing; it must be given\n\
         a.ks:4: user: unknown option \"--pasword\"; did you mean \"--password\"?\n\
         a.ks:5: %pre: unknown option \"--nochroot\"; it takes --erroronfail, --interpreter, --log, --logfile"
    );
}
