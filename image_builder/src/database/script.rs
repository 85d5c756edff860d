//! Statements that go to a database together.
//!
//! A statement costs a way to the database and back, and a text that the database has not seen before it has to
//! understand first. So many rows go into one statement, and there are few sizes of those.

use std::iter::repeat_n;

use sqlx::database::HasStatementCache;
use sqlx::query_builder::Separated;
use sqlx::{Database, Executor, IntoArguments, QueryBuilder};

/// So many rows a statement has: databases keep those of each size prepared. SQLite takes 32,766 values at most,
/// PostgreSQL 65,535.
const SIZES: [usize; 4] = [1, 4, 16, ROWS];

/// As many rows go into one statement.
pub(crate) const ROWS: usize = 64;

/// The rows, and empty ones behind them until there are as many as a statement has.
pub(crate) fn padded<T>(rows: &[T]) -> impl Iterator<Item = Option<&T>> {
    let size = SIZES.into_iter().find(|&size| size >= rows.len());
    let empty = size.map_or(0, |size| size - rows.len());
    rows.iter().map(Some).chain(repeat_n(None, empty))
}

/// The rows in portions that fit into a statement, by how long one is.
pub(crate) fn portions<T>(
    rows: &[T],
    most: usize,
    bytes: impl Fn(&T) -> usize,
) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = |row: &&T| {
            sum += bytes(row);
            sum <= most
        };
        let fitting = rest.iter().take(ROWS).take_while(fits).count();
        // One that is longer goes by itself.
        let (portion, others) = rest.split_at(fitting.max(1).min(rest.len()));
        rest = others;
        (!portion.is_empty()).then_some(portion)
    })
}

/// Adds rows to a statement, as a table whose rows `bind` gives the columns of; the first one is never NULL in a row
/// that there is.
pub(crate) fn push_rows<'r, DB, T>(
    query: &mut QueryBuilder<DB>,
    rows: &'r [T],
    mut bind: impl FnMut(&mut Separated<'_, DB, &'static str>, Option<&'r T>),
) where
    DB: Database,
{
    query.push("SELECT * FROM (");
    query.push_values(padded(rows), |mut values, row| bind(&mut values, row));
    query.push(") AS given WHERE column1 IS NOT NULL");
}

/// Statements that are executed in their order: in one go where the database takes several of them, and each by itself
/// where not.
pub(crate) struct Script<'c, DB: Database> {
    connection: &'c mut DB::Connection,
    in_one_go: bool,
    /// What was not executed yet, if there is any, and how the last one of that begins.
    waiting: Option<(QueryBuilder<DB>, &'static str)>,
}

impl<'c, DB> Script<'c, DB>
where
    DB: Database + HasStatementCache,
    DB::Arguments: IntoArguments<DB>,
    for<'e> &'e mut DB::Connection: Executor<'e, Database = DB>,
{
    pub(crate) fn new(connection: &'c mut DB::Connection, in_one_go: bool) -> Self {
        Self {
            connection,
            in_one_go,
            waiting: None,
        }
    }

    /// Begins the next statement. Two of a kind do not go together: what is long stays in portions.
    ///
    /// # Errors
    ///
    /// What the database says to those before it.
    pub(crate) async fn next(
        &mut self,
        begin: &'static str,
    ) -> Result<&mut QueryBuilder<DB>, sqlx::Error> {
        let goes_along = |last: &str| self.in_one_go && last != begin;
        if !self
            .waiting
            .as_ref()
            .is_some_and(|(_, last)| goes_along(last))
        {
            self.run().await?;
        }
        let (query, last) = match &mut self.waiting {
            Some((query, last)) => (query.push(";\n").push(begin), last),
            none => {
                let (query, last) = none.insert((QueryBuilder::new(begin), begin));
                (query, last)
            }
        };
        *last = begin;
        Ok(query)
    }

    /// Executes what was not executed yet.
    ///
    /// # Errors
    ///
    /// What the database says to it.
    pub(crate) async fn end(mut self) -> Result<(), sqlx::Error> {
        self.run().await
    }

    async fn run(&mut self) -> Result<(), sqlx::Error> {
        if let Some((mut query, _)) = self.waiting.take() {
            query.build().execute(&mut *self.connection).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_goes_by_itself() {
        const BYTES: usize = 8 * 1024;
        let lengths = |rows: &[usize]| -> Vec<usize> {
            let portions = portions(rows, BYTES, |&bytes| bytes);
            portions.map(<[usize]>::len).collect()
        };
        assert!(lengths(&[]).is_empty());
        assert_eq!(lengths(&[BYTES + 1]), [1]);
        assert_eq!(
            lengths(&[1, BYTES - 1, BYTES, 2 * BYTES, 5, 6]),
            [2, 1, 1, 2]
        );
        assert_eq!(lengths(&[1; 2 * ROWS + 1]), [ROWS, ROWS, 1]);
    }

    #[test]
    fn few_sizes_are_known() {
        let size = |rows: usize| padded(&vec![(); rows]).count();
        assert_eq!(
            [1, 2, 4, 5, 16, 17, 64].map(size),
            [1, 4, 4, 16, 16, 64, 64]
        );
    }
}
