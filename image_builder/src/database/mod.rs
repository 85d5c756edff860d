//! Databases of ours: how they are brought to the schema of this program.

pub(crate) mod script;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection, SqlSafeStr};

/// The steps of a schema, in order: a name, and its statements. One that was given to users is never
/// changed; what changes is another step.
pub(crate) type Steps = &'static [(&'static str, &'static str)];

/// Brings the schema of a database up to what this program knows.
///
/// # Errors
///
/// Why it cannot: it is newer, or the database refuses.
pub(crate) async fn migrate<C>(connection: &mut C, steps: Steps) -> Result<(), String>
where
    C: Connection + Migrate,
{
    let migrations = (1..).zip(steps).map(|(version, &(name, sql))| {
        let kind = MigrationType::Simple;
        Migration::new(version, name.into(), kind, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    let done = migrator.run_direct(None, connection, false).await;
    done.map_err(|error| match error {
        MigrateError::VersionMissing(version) => format!(
            "its schema is of version {version}, and this program knows up to {}: bring it up to date",
            steps.len()
        ),
        MigrateError::VersionMismatch(version) => {
            format!("version {version} of its schema is not the one that this program knows")
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => reason(&error),
        other => other.to_string(),
    })
}

/// What a database says, without the library's words before it.
pub(crate) fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        // The library tries again until then where nobody answers.
        sqlx::Error::PoolTimedOut => {
            "no connection in time: nobody answers there, or all connections are in use".to_owned()
        }
        other => other.to_string(),
    }
}
