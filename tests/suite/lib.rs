//! Shared by the end-to-end tests: the mini release, folders for one test, `fbs` as a process,
//! stub tools, and the check that a build leaves nothing behind.
//!
//! | module | what it has |
//! |---|---|
//! | [`binaries`] | `fbs` and `fbs-http`, built when they are not current |
//! | [`need`] | what a test needs of the host, and what becomes of it where that is missing |
//! | [`release`] | the mini release, made once |
//! | [`turn`] | as many heavy tests at a time as there are processors |
//! | [`fake`] | the slow half of a build as stubs |
//! | [`folders`] | work, staging, tree and cache of one test, and its spec |
//! | [`command`] | a program with a time limit, as text or as a stream of events |
//! | [`delivery`] | what a build handed over |
//! | [`python`] | the Python tools that ours is compared with |
//! | [`daemon`] | a server of a test |
//! | [`certificates`] | for servers with TLS |
//! | [`ftp`], [`ssh`], [`object_store`] | real servers to deliver to |
//! | [`smtp`], [`rabbitmq`], [`postgres`] | a mail server that keeps its mails, a message broker, a database |
//! | [`accounts`] | a provider of accounts |
//! | [`network`] | hosts in network namespaces, which can be cut off |
//! | [`browser`] | headless Chromium |
//! | [`proxy`] | a proxy whose connections can be cut, and which can be alone |
//! | [`processes`] | processes and mounts that belong to a folder |
//! | [`tools`] | a PATH with stubs, or with a tool missing |

pub mod accounts;
pub mod binaries;
pub mod browser;
pub mod certificates;
pub mod command;
pub mod daemon;
pub mod delivery;
pub mod fake;
pub mod folders;
pub mod ftp;
pub mod need;
pub mod network;
pub mod noise;
pub mod object_store;
pub mod postgres;
pub mod processes;
pub mod proxy;
pub mod python;
pub mod rabbitmq;
pub mod release;
pub mod smtp;
pub mod ssh;
pub mod tools;
pub mod turn;
pub mod web;

pub use command::{Finished, Program, Running};
pub use delivery::Delivery;
pub use folders::Folders;
