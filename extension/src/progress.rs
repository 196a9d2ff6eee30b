//! A progress bar for long training runs.
//!
//! It goes to standard error, and only when that is a terminal: a notebook, a
//! pipe or a server sees nothing.

use footfall::train::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// A run is silent for its first seconds: short ones need no bar.
const SILENT_SECONDS: f64 = 2.0;

/// Shows where a run stands for as long as the value lives, and leaves no trace.
pub struct Display {
    wanted: bool,
    bar: Option<ProgressBar>,
}

impl Display {
    /// Nothing is shown unless `wanted` and standard error is a terminal.
    pub fn new(wanted: bool) -> Self {
        Self {
            wanted: wanted && std::io::stderr().is_terminal(),
            bar: None,
        }
    }

    /// Brings the bar up to date.
    pub fn show(&mut self, progress: Progress) {
        if !self.wanted || progress.seconds < SILENT_SECONDS {
            return;
        }
        let total = u64::from(progress.epochs) * progress.n_batches as u64;
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            // A wrong template would only cost the looks.
            if let Ok(style) = ProgressStyle::with_template("footfall.train {wide_bar} {percent}% {msg}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(u64::from(progress.epoch - 1) * progress.n_batches as u64 + progress.batch as u64);
        bar.set_message(format!(
            "epoch {}/{}, loss {:.4}",
            progress.epoch, progress.epochs, progress.train_loss
        ));
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
