//! From a small build spec to a tested Fedora image.
//!
//! This is the library of the On-Demand Fedora Build Service: the programs `fbs` and `fbs-http` are
//! thin front ends to it, and a program of yours can embed it as they do. It reads a spec, plans
//! every command of the build, makes the image, reads it back, boots it in QEMU, and puts it with
//! its log and report into a folder. It prints nothing and ends no process but those it started.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use image_builder::events::{BuildEvent, EventKind, Events};
//! use image_builder::imagebuilder::ImageBuilder;
//! use image_builder::spec::{BuildSpec, Format};
//! use tokio_util::sync::CancellationToken;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let text = "[DEFAULT]\ntype = boot\nrelease = 43\nboot_test = uefi\n";
//!     let spec = BuildSpec::parse(text, Format::Ini, "the request")?;
//!
//!     let events = Events::new();
//!     events.add_sink(Arc::new(|event: &BuildEvent| {
//!         if let EventKind::StageStarted { stage } = &event.kind {
//!             println!("{} ...", stage.title());
//!         }
//!     }));
//!
//!     // Cancelled from anywhere: what runs is ended, the work directory goes.
//!     let cancel = CancellationToken::new();
//!     let stop = cancel.clone();
//!     tokio::spawn(async move {
//!         if tokio::signal::ctrl_c().await.is_ok() {
//!             stop.cancel();
//!         }
//!     });
//!
//!     let builder = ImageBuilder::new(spec)
//!         .with_events(events)
//!         .with_cancel(cancel);
//!     let plan = builder.plan().await?;
//!     let report = builder.build(&plan).await?;
//!     println!("{} packages", report.packages.len());
//!     Ok(())
//! }
//! ```
//!
//! Building needs root, and the tools that [`host::requirements`] lists; planning needs neither.
//! A runtime of tokio must be running during a build.
//!
//! # Modules
//!
//! Data flows one way, from the spec to the report. In this order a module uses those above it, with four
//! exceptions: [`spec`] takes the types of names from [`koji`], which reports wrong ones as a spec does;
//! [`service_config`] is made of the settings of [`transfer`], [`accounts`] and [`retention`], plain data;
//! [`plan`] and [`destdir`] know each other, as the files of a DVD are named after its plan; and
//! [`retention`] tells people through [`notification`], which shows them when an image will go.
//!
//! | module | what it holds |
//! |---|---|
//! | [`error`], [`redact`] | whose fault an error is, whether to try again, the way out; passwords in texts |
//! | [`digest`], [`job_id`], [`quantity`], [`network`], [`secret`] | checksums; names of jobs; sizes, ages and networks as people write them; passwords and keys, which are never printed |
//! | [`http`] | the client of all who speak HTTP |
//! | [`process`] | a command line as data, and the one place that starts programs |
//! | [`source_date`] | the time that an image carries, so that the same packages give the same bytes |
//! | [`events`] | what happens in a build, as data |
//! | [`context`] | what a stage works with: runner, events, the word to stop |
//! | [`job_log`] | the log file |
//! | [`spec`] | the spec as the user wrote it: INI, TOML, JSON, and every mistake in it |
//! | [`kickstart`] | kickstarts: read, flattened, understood, edited |
//! | [`host`] | what this machine has, and what to install |
//! | [`repository`] | where packages come from |
//! | [`koji`] | builds of Koji and updates of Bodhi: found, and which of their packages are taken |
//! | [`cache`] | what the builds of a host keep for each other |
//! | [`repo_create`] | from builds to verified packages, and from packages to repodata |
//! | [`catalogue`] | the packages and groups that some repositories have |
//! | [`outdir`], [`workdir`] | the folders of a build |
//! | [`verify`] | what is in a finished image, and whether it boots |
//! | [`service_config`] | the configuration of the service on a host |
//! | [`plan`], [`destdir`] | everything that a build will do, decided before it begins; the folder of a DVD |
//! | [`transfer`] | places to put an image: a folder, FTP, SFTP, an object store |
//! | [`preflight`] | what can go wrong, found out before work starts |
//! | [`report`] | `build-report.json` |
//! | [`compose`] | the native engine: dnf, dracut, squashfs or erofs, GRUB, xorriso |
//! | [`respin`] | an existing image with other files, arguments and packages |
//! | [`builders`] | who can make an image: the native engine, lorax, ... |
//! | [`delivery`] | what a build hands over |
//! | [`jobs`] | builds that are made elsewhere, and what becomes of them |
//! | [`accounts`] | who somebody is, what they may do, and what they did |
//! | [`retention`] | how long images stay, and who is told before they go |
//! | [`notification`] | telling people and programs: mail, fedora-messaging, webhooks |
//! | [`imagebuilder`] | the order of the stages |
//! | [`queue`] | where jobs wait |
//! | [`build_monitor`] | the builds of this host, and their logs while they grow |
//! | [`worker`] | takes jobs from a queue and has them made |
//! | [`master`] | keeps records of all jobs of a queue, and tells of them |
//! | [`client`] | asks a service over HTTP |
//!
//! # Features
//!
//! `mock` gives mocks of the traits that reach outside ([`process::CommandRunner`],
//! [`builders::Bootiso`], [`transfer::Transfer`], [`notification::Notification`]), made by
//! [mockall](https://docs.rs/mockall). `ftp` reads kickstarts over FTP and delivers by it, `sftp` and
//! `s3` deliver by these. `smtp` and `fedora-messaging` tell by mail and on a message bus what becomes
//! of a build; webhooks need no feature. `sqlite`, which is on by default, keeps records of jobs in a file and
//! gives a queue for one machine; `postgres` keeps the records in PostgreSQL.

pub mod accounts;
#[cfg(feature = "amqp")]
mod amqp;
mod backoff;
pub mod build_monitor;
pub mod builders;
pub mod cache;
pub mod catalogue;
pub mod client;
pub mod compose;
pub mod context;
mod copy;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod database;
pub mod delivery;
pub mod destdir;
pub mod digest;
pub mod error;
pub mod events;
pub mod host;
pub mod http;
pub mod imagebuilder;
mod internal;
pub mod job_id;
pub mod job_log;
pub mod jobs;
pub mod kickstart;
pub mod koji;
mod markup;
pub mod master;
pub mod network;
pub mod notification;
pub mod outdir;
mod percent;
pub mod plan;
pub mod preflight;
pub mod process;
pub mod quantity;
pub mod queue;
pub mod redact;
pub mod repo_create;
pub mod report;
pub mod repository;
pub mod respin;
pub mod retention;
pub mod secret;
pub mod service_config;
pub mod source_date;
pub mod spec;
pub mod transfer;
pub mod util;
pub mod verify;
pub mod workdir;
pub mod worker;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
