//! `rootpw`, `group`, `user`, `sshkey`.

use sha_crypt::{PasswordHasher, ShaCrypt};
use sha2::{Digest, Sha256};

use super::task::{Action, Task};
use crate::kickstart::{Password, Place, Placed, RootPassword, Secret, Settings, SshKey, User};

/// Makes the file of a user's keys, with the user's own rights: `$1` is the user, `$2` the line.
const ADD_KEY: &str = r#"
home=$(getent passwd -- "$1" | cut -d: -f6) && [ -n "$home" ] || exit 1
umask 077
mkdir -p -- "$home/.ssh" && printf '%s\n' "$2" >>"$home/.ssh/authorized_keys" &&
chown -R -- "$1:" "$home/.ssh"
"#;

pub(super) fn tasks(settings: &Settings, image: &str) -> Vec<Task> {
    let mut tasks = Vec::new();
    for group in &settings.groups {
        tasks.push(new_group(&group.place, "group", &group.name, group.gid));
    }
    tasks.extend(settings.users.iter().flat_map(|one| user(one, image)));
    tasks.extend(settings.rootpw.iter().flat_map(|one| root(one, image)));
    tasks.extend(settings.ssh_keys.iter().map(ssh_key));
    tasks
}

fn new_group(place: &Place, what: &str, name: &str, gid: Option<u32>) -> Task {
    let mut argv = vec!["groupadd".to_owned()];
    argv.extend(gid.map(|gid| format!("--gid={gid}")));
    argv.extend(["--".to_owned(), name.to_owned()]);
    Task::run(place, what, argv)
}

fn user(user: &Placed<User>, image: &str) -> Vec<Task> {
    let place = &user.place;
    let mut tasks = Vec::new();
    let mut groups = Vec::new();
    for group in &user.groups {
        // "data(5000)" is a group that is made with this number.
        let (name, gid) = match group.split_once('(') {
            Some((name, gid)) => (name, gid.trim_end_matches(')').parse().ok()),
            None => (group.as_str(), None),
        };
        if gid.is_some() {
            tasks.push(new_group(place, "user --groups", name, gid));
        }
        groups.push(name.to_owned());
    }
    let mut argv = vec!["useradd".to_owned(), "--create-home".to_owned()];
    match user.gid {
        Some(gid) => {
            tasks.push(new_group(place, "user --gid", &user.name, Some(gid)));
            argv.push(format!("--gid={}", user.name));
        }
        None => argv.push("--user-group".to_owned()),
    }
    argv.extend(user.uid.map(|uid| format!("--uid={uid}")));
    argv.extend(
        user.homedir
            .as_ref()
            .map(|home| format!("--home-dir={home}")),
    );
    argv.extend(user.shell.as_ref().map(|shell| format!("--shell={shell}")));
    argv.extend(
        user.gecos
            .as_ref()
            .map(|gecos| format!("--comment={gecos}")),
    );
    if !groups.is_empty() {
        argv.push(format!("--groups={}", groups.join(",")));
    }
    argv.extend(["--".to_owned(), user.name.clone()]);
    tasks.push(Task::run(place, "user", argv));
    tasks.extend(
        user.password
            .as_ref()
            .map(|word| password(place, "user", &user.name, word, image)),
    );
    if user.lock {
        tasks.push(lock(place, "user --lock", &user.name));
    }
    tasks
}

fn root(root: &Placed<RootPassword>, image: &str) -> Vec<Task> {
    let place = &root.place;
    let mut tasks = Vec::new();
    tasks.extend(
        root.password
            .as_ref()
            .map(|word| password(place, "rootpw", "root", word, image)),
    );
    if root.lock {
        tasks.push(lock(place, "rootpw --lock", "root"));
    }
    if root.allow_ssh {
        let name = "etc/ssh/sshd_config.d/01-permitrootlogin.conf";
        let text = "PermitRootLogin yes\n".to_owned();
        tasks.push(Task::write(place, "rootpw --allow-ssh", name, text));
    }
    tasks
}

/// Of a plain password the hash is made here: chpasswd(8) would take a salt by chance, and no image
/// would be the same twice. The salt is no secret; it is another for each user of each `image`.
fn password(place: &Place, what: &str, user: &str, password: &Password, image: &str) -> Task {
    let line = match password {
        Password::Hashed(hash) => format!("{user}:{}\n", hash.expose()),
        Password::Plain(word) => {
            let salt = Sha256::digest(format!("{image}\n{user}"));
            let word = word.expose().as_bytes();
            match ShaCrypt::SHA512.hash_password_with_salt(word, &salt[..12]) {
                Ok(hash) => format!("{user}:{hash}\n"),
                Err(_) => return Task::refuse(place, what, "the password cannot be hashed"),
            }
        }
    };
    Task {
        place: place.clone(),
        what: what.to_owned(),
        action: Action::Password(Secret::new(line)),
    }
}

fn lock(place: &Place, what: &str, user: &str) -> Task {
    Task::run(place, what, ["usermod", "--lock", "--", user])
}

fn ssh_key(key: &Placed<SshKey>) -> Task {
    let argv = ["sh", "-c", ADD_KEY, "sh", &key.username, &key.key];
    Task::run(&key.place, "sshkey", argv)
}
