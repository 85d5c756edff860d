//! What somebody may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Account;

/// What somebody may do. Each may do what the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See what there is.
    View,
    /// Ask for images, and cancel what they asked for.
    Submit,
    /// Everything, also with what belongs to others.
    Admin,
}

impl Role {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::View, Self::Submit, Self::Admin];

    /// `submit`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Submit => "submit",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("{text:?} is no role: there are view, submit and admin"))
    }
}

/// Who has which role: names of groups, `user:NAME` for somebody, `*` for everybody who has logged in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleRules {
    /// Who may see what there is; everybody who has logged in if it is absent.
    pub view: Option<Vec<String>>,
    /// Who may ask for images.
    #[serde(default)]
    pub submit: Vec<String>,
    /// Who may do everything.
    #[serde(default)]
    pub admin: Vec<String>,
}

impl RoleRules {
    /// The greatest role of somebody.
    #[must_use]
    pub fn role(&self, account: &Account) -> Option<Role> {
        let everybody = ["*".to_owned()];
        let view = self.view.as_deref().unwrap_or(&everybody);
        let rules = [
            (Role::Admin, self.admin.as_slice()),
            (Role::Submit, self.submit.as_slice()),
            (Role::View, view),
        ];
        let is = |rule: &String| match rule.strip_prefix("user:") {
            Some(name) => name == account.name,
            None => rule == "*" || account.groups.contains(rule),
        };
        let mut held = rules.into_iter().filter(|(_, rules)| rules.iter().any(is));
        held.next().map(|(role, _)| role)
    }

    /// The rules that name nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.submit.is_empty() && self.admin.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_role_of_all_groups_holds() {
        let account = |name: &str, groups: &[&str]| Account {
            name: name.to_owned(),
            subject: name.to_owned(),
            email: None,
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            seen: jiff::Timestamp::UNIX_EPOCH,
        };
        let rules = |view: Option<&[&str]>, submit: &[&str], admin: &[&str]| {
            let owned = |rules: &[&str]| rules.iter().map(|&rule| rule.to_owned()).collect();
            RoleRules {
                view: view.map(owned),
                submit: owned(submit),
                admin: owned(admin),
            }
        };
        let usual = rules(None, &["packager", "user:bot"], &["sysadmin-qa"]);
        let closed = rules(Some(&["qa"]), &[], &["user:anna"]);
        for (rules, name, groups, role) in [
            (&usual, "anna", &[][..], Some(Role::View)),
            (&usual, "anna", &["packager"], Some(Role::Submit)),
            (&usual, "bot", &[], Some(Role::Submit)),
            (
                &usual,
                "anna",
                &["packager", "sysadmin-qa"],
                Some(Role::Admin),
            ),
            (
                &usual,
                "anna",
                &["bot", "user:bot", "Packager"],
                Some(Role::View),
            ),
            (&closed, "berta", &["packager"], None),
            (&closed, "berta", &["qa"], Some(Role::View)),
            (&closed, "anna", &[], Some(Role::Admin)),
            (&rules(None, &["*"], &[]), "x", &[], Some(Role::Submit)),
        ] {
            assert_eq!(
                rules.role(&account(name, groups)),
                role,
                "{name} {groups:?}"
            );
        }
        assert!(Role::Admin > Role::Submit && Role::Submit > Role::View);
        assert_eq!("submit".parse(), Ok(Role::Submit));
        assert!("root".parse::<Role>().unwrap_err().contains("admin"));
    }
}
