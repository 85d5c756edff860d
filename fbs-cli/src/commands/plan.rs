//! `fbs plan`.

use std::fmt::Write as _;

use image_builder::destdir::Destdir;
use image_builder::imagebuilder::ImageBuilder;
use image_builder::plan::{BuildPlan, DvdPlan, ImagePlan};
use image_builder::redact;
use image_builder::spec::Backend;

use super::{service, spec};
use crate::args::Plan;
use crate::exit::{self, Exit};
use crate::output::{self, tell};

pub(crate) async fn run(args: &Plan) -> Exit {
    let built = match spec::load(&args.spec.conf, &args.spec.overrides) {
        Ok(built) => built,
        Err(error) => return spec::report(&args.spec.conf, &error),
    };
    let options = match service::options() {
        Ok(options) => options,
        Err(exit) => return exit,
    };
    let plan = match ImageBuilder::new(built).with_options(options).plan().await {
        Ok(plan) => plan,
        Err(error) => return exit::error(&error),
    };
    if args.json {
        match serde_json::to_value(&plan) {
            Ok(value) => output::json_pretty(&value),
            Err(error) => return unspeakable(&plan, &error),
        }
    } else {
        // Writing to a String cannot fail.
        let mut text = String::new();
        let _ = render(&plan, &mut text);
        output::text(&redact::passwords(&text));
    }
    Exit::Done
}

/// A plan that is no JSON: a folder in it has a name that is not UTF-8.
fn unspeakable(plan: &BuildPlan, error: &dyn std::error::Error) -> Exit {
    let paths = &plan.paths;
    let folders = [Some(&paths.work), Some(&paths.cache), paths.tree.as_ref()];
    match folders
        .into_iter()
        .flatten()
        .find(|path| path.to_str().is_none())
    {
        Some(path) => {
            exit::say(format_args!(
                "{path:?} cannot stand in JSON: the name is not UTF-8"
            ));
            tell!("hint: rename the folder, or leave --json out");
        }
        None => exit::say(error),
    }
    Exit::Usage
}

fn render_dvd(plan: &BuildPlan, dvd: &DvdPlan, out: &mut String) -> std::fmt::Result {
    writeln!(out, "  installer     {}", dvd.installer.join(" "))?;
    for repository in &dvd.source_repositories {
        for source in &repository.sources {
            writeln!(out, "  sources       {} {}", repository.id, source.url())?;
        }
    }
    writeln!(out, "  stages        {}", dvd.stages)?;
    let tree = Destdir::of(plan, dvd).arch();
    match dvd.keep {
        true => writeln!(out, "  tree          {}", tree.display()),
        false => writeln!(out, "  tree          not kept (no destdir)"),
    }
}

fn render(plan: &BuildPlan, out: &mut String) -> std::fmt::Result {
    let title = plan
        .title
        .chars()
        .next()
        .map(|c| c.to_uppercase().to_string() + &plan.title[1..]);
    writeln!(out, "{}", title.unwrap_or_default())?;
    writeln!(
        out,
        "  backend       {}: {}",
        plan.backend.name, plan.backend.reason
    )?;
    for repository in &plan.repositories {
        for source in &repository.sources {
            writeln!(out, "  repository    {} {}", repository.id, source.url())?;
        }
    }
    if let Some(side) = &plan.side {
        let builds = side.builds.iter().map(ToString::to_string);
        let tags = side.tags.iter().map(|tag| format!("tag {tag}"));
        let updates = side.updates.iter().map(ToString::to_string);
        let wanted: Vec<String> = builds.chain(tags).chain(updates).collect();
        writeln!(out, "  koji builds   {}", wanted.join(", "))?;
        writeln!(out, "  koji hub      {}", side.koji.hub)?;
        writeln!(out, "  must land     {}", side.require_landed)?;
    }
    writeln!(out, "  packages      {}", plan.packages.join(" "))?;
    writeln!(
        out,
        "  root          {}, {}",
        plan.rootfs,
        plan.compression.explained()
    )?;
    if plan.backend.name == Backend::Native {
        writeln!(out, "  initramfs     {}", plan.initramfs)?;
    }
    writeln!(out, "  volume id     {}", plan.volume_id)?;
    writeln!(out, "  boot test     {}", plan.boot_test)?;
    writeln!(out, "  time limit    {} s", plan.timeout_seconds)?;
    writeln!(out, "  work folder   {}", plan.paths.work.display())?;
    writeln!(out, "  cache         {}", plan.paths.cache.display())?;
    if let ImagePlan::Dvd(dvd) = &plan.image {
        render_dvd(plan, dvd, out)?;
    } else {
        match &plan.paths.tree {
            Some(tree) => writeln!(out, "  tree          {}", tree.display())?,
            None => writeln!(out, "  tree          not kept (no outdir)")?,
        }
    }
    for staging in &plan.paths.staging {
        writeln!(out, "  staging       {staging}/{}", plan.name)?;
    }
    for note in &plan.notes {
        writeln!(out, "  note          {note}")?;
    }
    for missing in &plan.missing {
        writeln!(out, "  missing here  {missing}")?;
    }
    for step in &plan.steps {
        writeln!(out, "\n{}:", step.stage.title())?;
        if step.commands.is_empty() {
            writeln!(out, "  (done without a program)")?;
        }
        for command in &step.commands {
            writeln!(out, "  {command}")?;
        }
    }
    Ok(())
}
