//! `reelkin doctor`: is everything there that making a clip needs?

use reelkin::{ErrorKind, Library};
use serde_json::{Value, json};

use crate::args::Global;
use crate::output::{self, ExitCode, Failure, Outcome};
use crate::session::{Session, Settings, block_on};
use crate::terminal::shown;

/// The longest line of a check, which may quote the service.
const LINE: usize = 2000;

struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
    advice: Option<String>,
}

impl Check {
    fn new(name: &'static str, result: Result<String, Failure>) -> Self {
        let (ok, detail, advice) = match result {
            Ok(detail) => (true, detail, None),
            Err(Failure::Crate(error)) => (false, error.to_string(), error.guidance().map(str::to_owned)),
            Err(Failure::Arguments(line) | Failure::Local(line) | Failure::GaveUp(line)) => {
                (false, line, None)
            }
        };
        Self {
            name,
            ok,
            detail,
            advice,
        }
    }

    fn skipped(name: &'static str, why: &str) -> Self {
        Self {
            name,
            ok: false,
            detail: format!("not checked: {why}"),
            advice: None,
        }
    }
}

pub(crate) fn run(global: &Global) -> Outcome {
    let mut checks = vec![Check::new("libav", libav())];
    checks.extend(block_on(async {
        let library = match Library::open(&global.library) {
            Ok(library) => library
                .writable()
                .await
                .map(|()| global.library.display().to_string()),
            Err(error) => Err(error),
        };
        let mut checks = vec![Check::new("library", library.map_err(Failure::from))];
        checks.extend(service(global).await);
        Ok(checks)
    })?);
    let ok = checks.iter().all(|check| check.ok);
    if global.json {
        let list: Vec<Value> = checks
            .iter()
            .map(|check| json!({ "name": check.name, "ok": check.ok, "detail": check.detail, "advice": check.advice }))
            .collect();
        output::print_json(&json!({ "ok": ok, "checks": list }));
    } else {
        for check in &checks {
            let mark = if check.ok { "ok  " } else { "FAIL" };
            output::print_line(format_args!(
                "{mark}  {:<8} {}",
                check.name,
                shown(&check.detail, LINE)
            ));
            if let Some(advice) = &check.advice {
                output::print_line(format_args!("                {advice}"));
            }
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn libav() -> Outcome<String> {
    let libav = reelkin::media::libav();
    let decodes = libav
        .decoders
        .iter()
        .filter(|(_, present)| *present)
        .map(|(name, _)| *name);
    let missing: Vec<_> = libav
        .decoders
        .iter()
        .filter(|(_, present)| !present)
        .map(|(name, _)| *name)
        .collect();
    let mut line = format!(
        "{}, decodes {}",
        libav.version,
        decodes.collect::<Vec<_>>().join(" ")
    );
    if !missing.is_empty() {
        line = format!("{line}; not {}", missing.join(" "));
    }
    if missing.contains(&"h264") {
        return Err(Failure::Local(format!(
            "{line}: the service's clips are H.264, and would be saved without being verified"
        )));
    }
    Ok(line)
}

/// Key, host and models. The service answers a wrong key with 400: what counts is what it says.
async fn service(global: &Global) -> Vec<Check> {
    let session = match Session::open(global, Settings::default()).await {
        Ok(session) => session,
        Err(failure) => {
            let checked = Check::new("key", Err(failure));
            let skipped = ["service", "models"].map(|name| Check::skipped(name, "there is no client"));
            return std::iter::once(checked).chain(skipped).collect();
        }
    };
    let service = session.client.service();
    let checks = match session.client.visible_models().await {
        Ok(models) => {
            let names: Vec<_> = models.iter().map(|model| model.id.to_string()).collect();
            let known = session.client.models();
            let usable = models.iter().any(|model| known.get(&model.id).is_some());
            let models = if usable {
                Ok(names.join(", "))
            } else {
                Err(Failure::Local(format!(
                    "no video model that this version knows is visible: {}",
                    names.join(", ")
                )))
            };
            vec![
                Check::new("key", Ok("accepted".to_owned())),
                Check::new("service", Ok(service)),
                Check::new("models", models),
            ]
        }
        Err(error) if error.kind() == ErrorKind::Auth => vec![
            Check::new("key", Err(error.into())),
            Check::new("service", Ok(service)),
            Check::skipped("models", "the key is not accepted"),
        ],
        Err(error) => vec![
            Check::skipped("key", "the service does not answer"),
            Check::new("service", Err(error.into())),
            Check::skipped("models", "the service does not answer"),
        ],
    };
    session.close().await;
    checks
}
