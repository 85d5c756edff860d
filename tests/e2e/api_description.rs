//! What [schemathesis](https://schemathesis.io) makes of the API's own description.

use std::fs;

use fbs_suite::need::Need;
use fbs_suite::{Program, need, python};
use nix::sys::signal::Signal;

use crate::server_client::Site;

const NEEDS: &[Need] = &[Need::Tool("python3"), Need::Tool("rpm")];

/// A server's fault is one whatever was sent; every answer is as described, and what is not described is refused.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,negative_data_rejection,\
                      unsupported_method";

#[test]
fn every_answer_is_as_the_description_says() {
    if !need::met(&[need::BUILD, NEEDS]) {
        return;
    }
    let site = Site::new();
    // There is a job that has ended, with a log, a report and files, so that not all answers are 404.
    let submitted = site.fbs("submit").arg(site.spec("99")).arg("--wait").run();
    let job = &submitted.assert_exit(0).stdout[0];
    let folders = &site.folders;
    let report = folders.top().join("schemathesis");
    let config = format!(
        "[phases.stateful.inference]\nalgorithms = []\n[parameters]\n\"path.id\" = \"{job}\"\n\"path.name\" = \"build-report.json\"\n"
    );
    // Koji and mirrors may be out of reach: that is described, and nobody's fault here.
    let elsewhere = ["/api/v1/builds", "/api/v1/packages"].map(|path| {
        format!(
            "[[operations]]\ninclude-path = \"{path}\"\n[operations.checks.not_a_server_error]\n\
             expected-statuses = [\"2xx\", \"4xx\", \"502\", \"503\"]\n"
        )
    });
    let config = folders.file("schemathesis.toml", config + &elsewhere.concat());
    fs::create_dir(&report).unwrap();
    let done = Program::new(python::programs().join("schemathesis"))
        .arg("--config-file")
        .arg(config)
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", site.address))
        // What follows something has no end.
        .args(["--exclude-path", "/api/v1/events"])
        .args(["--exclude-path", "/api/v1/jobs/{id}/log/events"])
        .args([
            "--checks",
            CHECKS,
            "--max-time",
            "25",
            "--continue-on-failure",
            "--no-color",
        ])
        // The same faults are found again.
        .args(["--seed", "1", "--generation-database", "none"])
        .folder(&report)
        .run();
    let found = done.stdout.join("\n");
    // Only its end is shown of what fails.
    print!("{found}");
    done.assert_exit(0);
    assert!(found.contains("Tested:") && found.contains("generated,"));
    site.service.signal(Signal::SIGINT);
    site.service.finish().assert_exit(0);
}
