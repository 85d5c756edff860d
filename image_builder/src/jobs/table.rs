//! All jobs that are not done, in memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use jiff::Timestamp;

use super::{Claim, Job, JobEvent, JobId, JobState, Line, Misfit, Priority};

/// What waits in a line: what goes first stands first.
type Order = BTreeSet<(Reverse<Priority>, JobId)>;

/// All jobs that are not done, and which are.
///
/// What jobs are built from is not kept: [`JobTable::place`] says where in the ledger it is.
#[derive(Debug, Default)]
pub struct JobTable {
    open: HashMap<JobId, (u64, Job)>,
    done: Done,
    waiting: BTreeMap<Line, Order>,
}

/// The jobs that have ended, however many: eight bytes each. That two of a million ids are taken for one happens once in
/// 40 million ledgers, and nobody can make ids of which that is so: the hash is another one in each process.
#[derive(Debug, Default)]
struct Done {
    hashes: HashSet<u64>,
    state: RandomState,
}

impl Done {
    fn add(&mut self, id: &JobId) {
        self.hashes.insert(self.state.hash_one(id));
    }

    fn has(&self, id: &JobId) -> bool {
        self.hashes.contains(&self.state.hash_one(id))
    }
}

/// Where a job stands in its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The line.
    pub line: Line,
    /// How many go before it.
    pub before: usize,
}

impl JobTable {
    /// Takes the event at `place` of the ledger in; gives the job as it is then.
    ///
    /// # Errors
    ///
    /// [`Misfit`]: the event does not count.
    pub fn apply(&mut self, place: u64, event: &JobEvent) -> Result<Job, Misfit> {
        if self.done.has(&event.job) {
            return Err(Misfit::Ended);
        }
        let Some((_, job)) = self.open.get_mut(&event.job) else {
            // Of a job whose beginning the ledger has forgotten, nothing can be said.
            let mut job = Job::new(event).ok_or(Misfit::Superseded)?;
            job.request.payload = None;
            self.order(&job.request.line())
                .insert((Reverse(job.request.priority), job.id.clone()));
            self.open.insert(job.id.clone(), (place, job.clone()));
            return Ok(job);
        };
        let waited = job.state == JobState::Queued;
        job.apply(event)?;
        let job = job.clone();
        let key = (Reverse(job.request.priority), job.id.clone());
        let waits = job.state == JobState::Queued;
        if waits != waited {
            let order = self.order(&job.request.line());
            match waits {
                true => order.insert(key),
                false => order.remove(&key),
            };
        }
        if job.state.is_final() {
            self.open.remove(&job.id);
            self.done.add(&job.id);
        }
        Ok(job)
    }

    fn order(&mut self, line: &Line) -> &mut Order {
        self.waiting.entry(line.clone()).or_default()
    }

    /// A job that is not done.
    #[must_use]
    pub fn open(&self, id: &JobId) -> Option<&Job> {
        self.open.get(id).map(|(_, job)| job)
    }

    /// Where in the ledger a job that is not done was asked for.
    #[must_use]
    pub fn place(&self, id: &JobId) -> Option<u64> {
        self.open.get(id).map(|&(place, _)| place)
    }

    /// Whether a job is known, done or not.
    #[must_use]
    pub fn knows(&self, id: &JobId) -> bool {
        self.open.contains_key(id) || self.done.has(id)
    }

    /// The job of `lines` that `worker` should begin with, but for those it already wants.
    pub fn next<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a Line>,
        worker: &str,
        wanted: &HashSet<JobId>,
        now: Timestamp,
    ) -> Option<&Job> {
        let mut best: Option<&(Reverse<Priority>, JobId)> = None;
        for line in lines {
            let order = self.waiting.get(line).into_iter().flatten();
            let mut order = order.filter(|(_, id)| {
                !wanted.contains(id) && self.open(id).is_some_and(|job| job.is_for(worker, now))
            });
            if let Some(first) = order.next()
                && best.is_none_or(|best| first < best)
            {
                best = Some(first);
            }
        }
        best.and_then(|(_, id)| self.open(id))
    }

    /// Where a job stands that waits.
    #[must_use]
    pub fn waiting(&self, id: &JobId) -> Option<Waiting> {
        let job = self.open(id)?;
        let line = job.request.line();
        let key = (Reverse(job.request.priority), id.clone());
        let order = self.waiting.get(&line)?;
        order.contains(&key).then(|| Waiting {
            before: order.range(..&key).count(),
            line,
        })
    }

    /// The claims that count, with their jobs.
    pub fn claims(&self) -> impl Iterator<Item = (&Claim, &Job)> {
        self.open
            .values()
            .filter(|(_, job)| job.state != JobState::Queued)
            .filter_map(|(_, job)| Some((job.claim.as_ref()?, job)))
    }

    /// Jobs that wait and should have been begun before `now`.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &Job> {
        let late = move |job: &&Job| {
            let deadline = job.request.deadline;
            job.state == JobState::Queued && deadline.is_some_and(|deadline| deadline < now)
        };
        self.open.values().map(|(_, job)| job).filter(late)
    }
}
