//! Promise: each control of a teacher takes effect in the server or says why not, and all of them are seen: on a projector without a
//! scroll bar, and on a phone.
//!
//! Skipped where `chromium` or `chromedriver` is not installed.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};

use echoctl_testkit::eventually;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::classroom::{Class, row};

#[test]
fn each_control_takes_effect_and_is_seen() {
    // One browser for all: it takes longer to start than they do, and there is one at a time.
    let Some(browser) = Browser::start() else { return };
    a_setting_takes_effect_or_is_refused_with_a_reason(&browser);
    a_button_resets_its_row(&browser);
    all_controls_are_seen_whatever_the_policy(&browser);
}

/// Opens the page of a teacher, and waits until it has the switch.
fn open(browser: &Browser, class: &Class) {
    browser.open(&class.teacher_url());
    eventually("the switch", || {
        browser.run("return document.querySelectorAll('#policies button').length") == 5
    });
}

/// Types a value in the dialog of settings, and sets it.
fn set(browser: &Browser, form: &str, typed: &str) {
    browser.replace(&format!("#{form}-value"), typed);
    browser.click(&format!("#{form} button"));
}

/// Waits until the page says this where a user sees it, also while a dialog is open.
#[track_caller]
fn says(browser: &Browser, text: &str) {
    let said = eventually(text, || {
        let said = browser.run(SAID);
        if said.as_str().is_some_and(|said| said.contains(text)) { Ok(said) } else { Err(said) }
    });
    assert!(said.is_string());
}

fn a_setting_takes_effect_or_is_refused_with_a_reason(browser: &Browser) {
    let class = Class::start(&["--backpressure", "bounded"]);
    open(browser, &class);
    browser.press('s');
    let settings =
        [("queue_limit", json!(4 << 20)), ("write_timeout", json!(2.5)), ("memory_limit", json!(32 << 20))];
    for ((setting, value), (form, typed, said)) in settings.iter().zip([
        ("s-queue", "4 MiB", "Queue limit: 4 MiB."),
        ("s-timeout", "2.5", "Write timeout: 2.5 s."),
        ("s-memory", "32 MiB", "Memory limit: 32 MiB."),
    ]) {
        set(browser, form, typed);
        says(browser, said);
        class.state(setting, |state| state[setting] == *value);
    }

    for (form, typed, why) in [
        ("s-queue", "many", "A size is a number with a unit"),
        ("s-queue", "33 MiB", "the limit of the queue must not exceed the memory limit, 32 MiB"),
        ("s-timeout", "soon", "A write timeout is a number of seconds, or none."),
        ("s-timeout", "-1", "a write timeout is between 0.1 s and one day"),
        ("s-memory", "0", "the memory limit must be at least 1 MiB"),
        ("s-memory", "3 MiB", "the memory limit must not be less than the limit of the queue, 4 MiB"),
    ] {
        set(browser, form, typed);
        says(browser, why);
    }

    let now = class.state("a moment", |_| true)["t"].as_f64().unwrap();
    let state = class.state("a later one", |state| state["t"].as_f64().unwrap() > now + 0.5);
    for (setting, value) in settings {
        assert_eq!(state[setting], value, "{setting}");
    }
    browser.press('\u{e00c}');
    browser.press('2');
    class.state("the dialog is closed, and a key switches", |state| state["policy"] == "await");
}

fn a_button_resets_its_row(browser: &Browser) {
    let class = Class::start(&[]);
    let (mut ada, mut bob) = (class.join("ada"), class.join("bob"));
    open(browser, &class);
    let state = class.state("two", |state| row(state, "ada").is_some() && row(state, "bob").is_some());
    let id = &row(&state, "bob").unwrap()["id"];
    let names = "return [...document.querySelectorAll('#rows tbody .who')].map(node => node.textContent)";
    eventually("both are shown", || browser.run(names).as_array().is_some_and(|names| names.len() == 2));

    browser.click(&format!("#rows tr[data-id='{id}'] button"));

    assert!(matches!(bob.read(&mut [0; 9]), Ok(0) | Err(_)), "it is disconnected");
    let state = class.state("one is left", |state| state["connections"] == 1);
    assert!(row(&state, "ada").is_some(), "{state:#}");
    let peer = bob.local_addr().unwrap();
    let labels: Vec<&Value> = state["marks"].as_array().unwrap().iter().map(|mark| &mark["label"]).collect();
    assert!(labels.contains(&&json!(format!("{peer} reset"))), "{labels:?}");
    eventually("the page shows one", || browser.run(names) == json!(["ada"]));
    ada.write_all(b"hello\n").unwrap();
    ada.read_exact(&mut [0; 6]).unwrap();
}

fn all_controls_are_seen_whatever_the_policy(browser: &Browser) {
    let class = Class::start(&["--write-timeout", "1h"]);
    let _students: Vec<_> = (0..30).map(|nth| class.join(&format!("student {nth}"))).collect();
    open(browser, &class);
    for (width, height) in [(1280, 720), (1920, 1080)] {
        browser.resize(width, height);
        for (key, policy) in ('1'..).zip(["off", "await", "bounded", "drop", "disconnect"]) {
            browser.press(key);
            let seen = eventually(policy, || {
                let seen = browser.run(SEEN);
                if seen["policy"] == policy && seen["width"] == width { Ok(seen) } else { Err(seen) }
            });

            assert_eq!((&seen["scrolls"], &seen["cut"]), (&json!([false, false]), &json!([])), "{seen:#}");
            assert_eq!(seen["lines"], 1, "the teacher's buttons are beside the switch: {seen:#}");
        }
    }

    browser.resize(390, 844);
    browser.press('s');
    let seen = eventually("the settings", || {
        let seen = browser.run(SEEN);
        if seen["width"] == 390 && seen["fields"] != json!([]) { Ok(seen) } else { Err(seen) }
    });
    assert_eq!((&seen["scrolls"][0], &seen["cut"]), (&json!(false), &json!([])), "{seen:#}");
    assert!(
        seen["fields"].as_array().unwrap().iter().all(|width| width.as_f64().unwrap() > 100.0),
        "{seen:#}"
    );
}

/// What the page says, if that is what a user sees there.
const SAID: &str = "
    const says = document.getElementById('says'), box = says.getBoundingClientRect();
    const front = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return front !== null && says.contains(front) ? says.textContent : '';";

/// Whether the page scrolls (to the right, down), which controls are not in the window or outside of their dialog, on how many lines the
/// switch and the buttons are, and how wide the fields of an open dialog are.
const SEEN: &str = "
    if (typeof state === 'undefined' || state === null) return {};
    draw();
    const page = document.scrollingElement, dialog = document.querySelector('dialog[open]');
    const outer = dialog ? dialog.getBoundingClientRect() : { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
    const controls = [...(dialog ?? document.getElementById('switch')).querySelectorAll('button, input')].filter(node => node.checkVisibility());
    const box = node => node.getBoundingClientRect();
    const isOutside = ({ left, top, right, bottom }) => left < outer.left || top < outer.top || right > outer.right || bottom > outer.bottom;
    const [policies, tools] = ['policies', 'tools'].map(id => box(document.getElementById(id)));
    return {
        policy: state.policy, width: innerWidth,
        scrolls: [page.scrollWidth > innerWidth, page.scrollHeight > innerHeight],
        cut: controls.filter(node => isOutside(box(node))).map(node => node.textContent || node.id),
        lines: tools.top < policies.bottom ? 1 : 2,
        fields: dialog ? [...dialog.querySelectorAll('input')].map(node => box(node).width) : [],
    }";
