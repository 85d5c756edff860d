//! The programs from end to end. One binary, so that tests of different files run side by side:
//! as many heavy ones as the host has processors, see [`fbs_suite::turn`]. They begin in the order of their names, so files
//! with tests that mostly wait do not have the last ones: nothing would run beside them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod accounts;
mod api_description;
mod backends;
mod boot_image;
mod caches;
mod cli;
mod compare;
mod delivery;
mod dvd;
mod errors;
mod fbs_worker;
mod http;
mod interrupted;
mod job_queue;
mod job_store;
mod kickstart;
mod koji_builds;
mod live_image;
mod live_pages;
mod logs;
mod notification;
mod queue;
mod reproducible;
mod respin;
mod server_client;
mod side_by_side;
mod side_repository;
mod stub_tools;
mod terminal;
