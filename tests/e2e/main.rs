//! The programs from end to end. One binary, so that tests of different files run side by side:
//! as many heavy ones as the host has processors, see [`fbs_suite::turn`].

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod accounts;
mod boot_image;
mod caches;
mod cli;
mod compare;
mod dvd;
mod http;
mod interrupted;
mod job_queue;
mod job_store;
mod kickstart;
mod koji_builds;
mod live_image;
mod logs;
mod notification;
mod queue;
mod reproducible;
mod respin;
mod server_client;
mod side_by_side;
mod side_repository;
mod stub_tools;
mod tool_backends;
mod transfer;
mod worker;
mod wrong_input;
