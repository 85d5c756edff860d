use sha_crypt::{PasswordVerifier, ShaCrypt};

use super::*;
use crate::kickstart::Kickstart;

/// The tasks of a kickstart, each in one line.
fn told(text: &str) -> Vec<String> {
    let kickstart = Kickstart::parse(text, "a.ks").unwrap();
    let settings = kickstart.settings().unwrap();
    tasks(&settings, &[], "Fedora-Live-43")
        .iter()
        .map(|task| {
            let what = match &task.action {
                Action::Write { name, text } => format!("write {name} {text:?}"),
                Action::Link { name, target, .. } => format!("link {name} {target}"),
                Action::Assign { key, value, .. } => format!("assign {key} {value}"),
                Action::Run { argv, failed } => format!("run {argv:?} {failed:?}"),
                Action::Password(line) => format!("password {line:?}"),
                Action::Refuse { reason } => format!("no: {reason}"),
            };
            format!("{} {what}", task.what)
        })
        .collect()
}

#[test]
fn language_keyboard_and_clock() {
    assert_eq!(
        told("lang de_DE.UTF-8\nkeyboard --vckeymap=de --xlayouts='de (nodeadkeys)','us'\n"),
        [
            "lang write etc/locale.conf \"LANG=\\\"de_DE.UTF-8\\\"\\n\"",
            "keyboard write etc/vconsole.conf \"KEYMAP=\\\"de\\\"\\n\"",
            "keyboard --xlayouts write etc/X11/xorg.conf.d/00-keyboard.conf \"Section \
             \\\"InputClass\\\"\\n    Identifier \\\"system-keyboard\\\"\\n    MatchIsKeyboard \
             \\\"on\\\"\\n    Option \\\"XkbLayout\\\" \\\"de,us\\\"\\n    Option \\\"XkbVariant\\\" \
             \\\"nodeadkeys,\\\"\\nEndSection\\n\"",
        ]
    );
    let clock = told("timezone Europe/Sofia --utc --nontp\n");
    assert_eq!(
        clock[0],
        "timezone link etc/localtime ../usr/share/zoneinfo/Europe/Sofia"
    );
    assert!(clock[1].ends_with("UTC\\n\""), "{}", clock[1]);
    assert!(clock[2].contains("chronyd.service\"] Fine"), "{}", clock[2]);
}

#[test]
fn accounts_are_made_before_what_needs_them_and_passwords_are_told_nobody() {
    let lines = told(
        "user --name=anna --groups=wheel,data(5000) --gid=1001 --uid=1001 --password=secret \
         --plaintext --shell=/bin/bash\nrootpw --iscrypted $6$secret --lock\n\
         group --name=data2\nsshkey --username=anna \"ssh-ed25519 AAAA a@b\"\n",
    );
    let begins: Vec<_> = lines
        .iter()
        .map(|line| line.split(" Error").next().unwrap())
        .collect();
    assert_eq!(begins[0], r#"group run ["groupadd", "--", "data2"]"#);
    assert_eq!(
        begins[1],
        r#"user --groups run ["groupadd", "--gid=5000", "--", "data"]"#
    );
    assert_eq!(
        begins[2],
        r#"user --gid run ["groupadd", "--gid=1001", "--", "anna"]"#
    );
    assert_eq!(
        begins[3],
        r#"user run ["useradd", "--create-home", "--gid=anna", "--uid=1001", "--shell=/bin/bash", "--groups=wheel,data", "--", "anna"]"#
    );
    assert_eq!(begins[4], "user password ***");
    assert_eq!(begins[5], "rootpw password ***");
    assert_eq!(
        begins[6],
        r#"rootpw --lock run ["usermod", "--lock", "--", "root"]"#
    );
    assert!(begins[7].starts_with(r#"sshkey run ["sh", "-c","#));
    assert!(!lines.concat().contains("secret"), "{lines:?}");
}

#[test]
fn services_firewall_selinux_and_targets() {
    let lines = told(
        "services --disabled=sshd --enabled=NetworkManager\nfirewall --enabled --service=mdns \
         --port=1234:udp\nselinux --enforcing\nxconfig --startxonboot\nskipx\n\
         firstboot --disabled\n",
    );
    assert!(lines[0].starts_with(r#"services run ["systemctl", "disable", "--", "sshd"]"#));
    assert!(
        lines[1].starts_with(r#"services run ["systemctl", "enable", "--", "NetworkManager"]"#)
    );
    assert!(lines[2].starts_with(
        r#"firewall run ["firewall-offline-cmd", "--enabled", "--port=1234:udp", "--service=mdns"]"#
    ));
    assert_eq!(lines[3], "selinux assign SELINUX enforcing");
    assert!(lines[4].contains("no labels"));
    assert!(lines[5].ends_with("/usr/lib/systemd/system/graphical.target"));
    assert!(lines[6].ends_with("/usr/lib/systemd/system/multi-user.target"));
    assert!(lines[7].ends_with("Fine"));
}

#[test]
fn nothing_is_passed_over_in_silence() {
    let lines = told(
        "clearpart --all\nreboot\nauthselect --useshadow\nnetwork --bootproto=dhcp --hostname=h\n\
         bootloader --location=mbr --append=quiet\npart / --size=10 --fstype=ext4\npart swap\n\
         %pre\necho\n%end\n%addon com_redhat_kdump --disable\n%end\n",
    );
    let refused: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split_once(" no: "))
        .collect();
    let names: Vec<_> = refused.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "network",
            "bootloader --location",
            "part / --fstype",
            "part swap",
            "clearpart",
            "reboot",
            "authselect",
            "%addon",
            "%pre",
        ]
    );
    assert_eq!(refused[4].1, "no disk is partitioned");
    assert!(lines[0].starts_with("network --hostname write etc/hostname"));
}

#[test]
fn a_plain_password_is_hashed_alike_in_every_build_of_an_image() {
    let line = |image: &str| {
        let text = "user --name=anna --password=secret --plaintext\n";
        let settings = Kickstart::parse(text, "a.ks").unwrap().settings().unwrap();
        let tasks = tasks(&settings, &[], image);
        let password = tasks.into_iter().find_map(|task| match task.action {
            Action::Password(line) => Some(line.expose().to_owned()),
            _ => None,
        });
        password.unwrap()
    };
    let anna = line("Fedora-43");
    assert_eq!(anna, line("Fedora-43"));
    assert_ne!(anna, line("Fedora-44"));
    let hash = anna.trim_end().strip_prefix("anna:").unwrap();
    let checks = |word: &str| {
        let hash = sha_crypt::PasswordHash::new(hash).unwrap();
        ShaCrypt::SHA512.verify_password(word.as_bytes(), &hash)
    };
    assert!(hash.starts_with("$6$") && checks("secret").is_ok() && checks("Secret").is_err());
}

#[tokio::test]
async fn files_are_written_where_no_link_leads_elsewhere() {
    let (root, host) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(root.path().join("etc")).unwrap();
    std::fs::write(root.path().join("etc/hosts"), "kept\n").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", root.path().join("etc/hostname")).unwrap();
    std::os::unix::fs::symlink(host.path(), root.path().join("etc/X11")).unwrap();
    let kickstart = Kickstart::parse("network --hostname=h\nkeyboard --xlayouts=us\n", "a.ks");
    let settings = kickstart.unwrap().settings().unwrap();
    let ctx = crate::context::BuildContext::default();
    let mut results = Vec::new();
    for task in tasks(&settings, &[], "Fedora-Live-43") {
        results.push(carry_out(&ctx, &task, root.path(), &root.path().join("s")).await);
    }
    let errors: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0].to_string(),
        "a.ks:2: keyboard --xlayouts: /etc/X11/xorg.conf.d/00-keyboard.conf: a symbolic link is \
         in the way"
    );
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 0);
    let hostname = root.path().join("etc/hostname");
    assert!(!hostname.is_symlink());
    assert_eq!(std::fs::read_to_string(hostname).unwrap(), "h\n");
}

#[test]
fn an_assignment_is_replaced_or_added() {
    assert_eq!(
        task::assigned(
            "# SELINUX= says\nSELINUX = enforcing\nX=1\n",
            "SELINUX",
            "disabled"
        ),
        "# SELINUX= says\nSELINUX=disabled\nX=1\n"
    );
    assert_eq!(
        task::assigned("", "SELINUX", "disabled"),
        "SELINUX=disabled\n"
    );
}
