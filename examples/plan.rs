//! Prints every command of a build without running one.
//!
//! ```text
//! cargo run --example plan -- examples/boot.conf
//! ```

use std::process::ExitCode;

use image_builder::imagebuilder::ImageBuilder;
use image_builder::spec::BuildSpec;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(conf) = std::env::args_os().nth(1) else {
        eprintln!("usage: plan CONF");
        return ExitCode::from(2);
    };
    match print(conf.as_ref()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn print(conf: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let plan = ImageBuilder::new(BuildSpec::load(conf)?).plan().await?;
    println!("# {}, {}", plan.title, plan.backend.reason);
    for missing in &plan.missing {
        println!("# missing on this host: {missing}");
    }
    for step in &plan.steps {
        println!("\n# {}", step.stage.title());
        for command in &step.commands {
            println!("{command}");
        }
    }
    Ok(())
}
