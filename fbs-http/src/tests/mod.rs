//! The service on a loopback port, with a real queue, a real store, and a worker whose jobs are scripted.

mod access;
mod api;
mod artifacts;
mod builds;
mod client;
mod clones;
mod description;
mod elsewhere;
mod help;
mod journal;
mod kickstarts;
mod logs;
mod packages;
mod pages;
mod plans;
mod retention;
mod samples;
mod site;
