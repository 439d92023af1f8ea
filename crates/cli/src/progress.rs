//! Progress on stderr: a bar on a terminal, a plain line now and then elsewhere, nothing for short runs.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use borehole_scan::Progress;
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Runs shorter than this are quiet.
const PATIENCE: Duration = Duration::from_millis(800);
/// Between two plain lines.
const PLAIN_LINE: Duration = Duration::from_secs(15);

/// Shows progress until it is dropped.
pub(crate) struct Shown {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts to show `progress`, unless `quiet`.
pub(crate) fn show(progress: Arc<Progress>, quiet: bool) -> Shown {
    if quiet {
        return Shown { stop: None, thread: None };
    }
    let (stop, stopped) = channel();
    let thread = std::thread::spawn(move || watch(&progress, &stopped));
    Shown { stop: Some(stop), thread: Some(thread) }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(progress: &Progress, stopped: &Receiver<()>) {
    let started = Instant::now();
    if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let terminal = std::io::stderr().is_terminal();
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    let mut last_line = Instant::now();
    loop {
        let pause = if terminal { Duration::from_millis(120) } else { Duration::from_millis(500) };
        match stopped.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => break,
        }
        if terminal {
            bar.set_message(line(progress, started));
            bar.tick();
        } else if last_line.elapsed() >= PLAIN_LINE {
            last_line = Instant::now();
            plain(&line(progress, started));
        }
    }
    bar.finish_and_clear();
}

fn plain(line: &str) {
    tell!("{line}");
}

fn line(progress: &Progress, started: Instant) -> String {
    let now = progress.read();
    if now.objects_total == 0 {
        return format!("listing: {} entries", now.listed);
    }
    let seconds = started.elapsed().as_secs_f64().max(0.001);
    let rate = now.bytes_done as f64 / seconds;
    let left = now.bytes_total.saturating_sub(now.bytes_done);
    let time_left = if rate > 0.0 && left > 0 {
        format!(" · {} left", HumanDuration(Duration::from_secs_f64((left as f64 / rate).min(1e9))))
    } else {
        String::new()
    };
    format!(
        "{}/{} objects · {}/{} · {}/s · {} hours closed{time_left}",
        now.objects_done,
        now.objects_total,
        HumanBytes(now.bytes_done),
        HumanBytes(now.bytes_total),
        HumanBytes(rate as u64),
        now.hours_closed,
    )
}
