//! How text looks: 80 columns and no colours for pipes; on a terminal as wide as that is, in colours unless they are
//! not wanted.
#![cfg(target_os = "linux")]

mod support;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use support::{Place, text};

const ESCAPE: char = '\u{1b}';

/// What the program writes to a terminal of this width.
fn on_terminal(arguments: &[&str], columns: u16, environment: &[(&str, &str)]) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    // Whoever leads a session gets the terminal that it opens, and is ended with it; the tests may be such a one.
    let not_ours = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
    let mut options = OpenOptions::new();
    let other_end = options.read(true).write(true).custom_flags(not_ours).open(name.to_str().unwrap()).unwrap();
    tcsetwinsize(&other_end, Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let place = Place::new();
    let mut command = place.command(arguments);
    command.env("TERM", "xterm").env_remove("NO_COLOR").envs(environment.iter().copied());
    let mut child = command.stdout(Stdio::from(other_end)).spawn().unwrap();
    // The command has an end of the terminal too, without which reading would never stop.
    drop(command);
    let mut bytes = Vec::new();
    // A terminal whose other end is closed is read with an error and not to an end.
    let _ = File::from(terminal).read_to_end(&mut bytes);
    let written = text(&bytes).replace('\r', "");
    assert!(child.wait().unwrap().success(), "{written}");
    written
}

/// The text without its colours.
fn bare(text: &str) -> String {
    text.split(ESCAPE)
        .enumerate()
        .map(|(place, part)| if place == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) })
        .collect()
}

fn widest(text: &str) -> usize {
    bare(text).lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn a_pipe_gets_80_columns_and_no_colours_whatever_the_terminal_would_have() {
    for arguments in [&["scenario", "c2"][..], &["scenario", "--list"], &["demo", "--size", "1MiB"]] {
        let place = Place::new();
        let mut command = place.command(arguments);
        let output = command.env("TERM", "xterm").env("CLICOLOR_FORCE", "1").env("COLUMNS", "200").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let stdout = text(&output.stdout);
        assert!(!stdout.contains(ESCAPE), "{stdout}");
        assert!(widest(&stdout) <= 80, "{stdout}");
    }
}

#[test]
fn a_terminal_gets_colours_and_its_width() {
    let wide = on_terminal(&["scenario", "c2"], 110, &[]);
    assert!(wide.contains("\u{1b}[32mok\u{1b}[0m"), "{wide}");
    assert!((81..=110).contains(&widest(&wide)), "{wide}");
    let narrow = on_terminal(&["scenario", "c2"], 80, &[]);
    assert!(widest(&narrow) <= 80, "{narrow}");
    let demo = on_terminal(&["demo", "--size", "1MiB", "--requests", "1"], 80, &[]);
    assert!(demo.contains("\u{1b}[1m== start"), "{demo}");
    assert!(widest(&demo) <= 80, "{demo}");
}

#[test]
fn no_color_and_a_dumb_terminal_get_none() {
    for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = on_terminal(&["scenario", "c2"], 100, &[environment]);
        assert!(!plain.contains(ESCAPE), "{environment:?}: {plain}");
    }
}
