//! A real browser: Chromium without a window, driven over WebDriver, which is JSON over HTTP to a chromedriver of our own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use echoctl_testkit::{DEADLINE, Running};
use serde_json::{Value, json};

/// A browser, which ends with its test.
pub(crate) struct Browser {
    driver: SocketAddr,
    session: String,
    _running: Running,
    /// After the browser has ended.
    _turn: MutexGuard<'static, ()>,
}

/// One browser at a time: while it loads a page it takes several cores, and a second one would time out.
static TURN: Mutex<()> = Mutex::new(());

/// One of its tabs.
pub(crate) struct Tab(String);

impl Browser {
    /// Starts one; `None`, and says so, where Chromium or its driver is not installed.
    pub(crate) fn start() -> Option<Browser> {
        for program in ["chromium", "chromedriver"] {
            if Command::new(program).arg("--version").output().is_err() {
                eprintln!("skipped: {program} is not installed");
                return None;
            }
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // It takes a free port for IPv4, and gives up if that is taken for IPv6, or by another one that starts at the same time.
        let (running, driver) = (0..10).find_map(|_| driver()).expect("a driver finds a port");
        // Without a sandbox, which root and many containers cannot have: it only loads our page.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1280,720",
        ];
        let options = json!({ "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let session = call(driver, "POST", "/session", &wanted);
        let session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        Some(Browser { driver, session, _running: running, _turn: turn })
    }

    /// Opens an address in the tab.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Loads the tab again.
    pub(crate) fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    /// The tab that all else is done in.
    pub(crate) fn tab(&self) -> Tab {
        let handle = call(self.driver, "GET", &format!("{}/window", self.session), &Value::Null);
        Tab(handle.as_str().expect("a handle").to_owned())
    }

    /// Opens another tab, and goes there.
    pub(crate) fn new_tab(&self) -> Tab {
        let opened = self.post("/window/new", &json!({ "type": "tab" }));
        let tab = Tab(opened["handle"].as_str().expect("a handle").to_owned());
        self.go_to(&tab);
        tab
    }

    /// Goes to a tab.
    pub(crate) fn go_to(&self, tab: &Tab) {
        self.post("/window", &json!({ "handle": tab.0 }));
    }

    /// Runs the body of a function in the page.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Presses and releases a key.
    pub(crate) fn press(&self, key: char) {
        let steps = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.post("/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": steps }] }));
    }

    /// Clicks where a user would see this element.
    pub(crate) fn click(&self, selector: &str) {
        self.post(&format!("/element/{}/click", self.element(selector)), &json!({}));
    }

    /// Types into a field.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.post(&format!("/element/{}/value", self.element(selector)), &json!({ "text": text }));
    }

    /// Types into a field instead of what is there.
    pub(crate) fn replace(&self, selector: &str, text: &str) {
        self.post(&format!("/element/{}/clear", self.element(selector)), &json!({}));
        self.fill(selector, text);
    }

    /// Gives the page a window of this size, in pixels.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        self.post("/goog/cdp/execute", &command);
    }

    /// Has the browser suspend the tab, as one in the background, or wake it.
    pub(crate) fn suspend(&self, is_suspended: bool) {
        let state = if is_suspended { "frozen" } else { "active" };
        let command = json!({ "cmd": "Page.setWebLifecycleState", "params": { "state": state } });
        self.post("/goog/cdp/execute", &command);
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|object| object.values().next()?.as_str());
        id.expect("an element").to_owned()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        call(self.driver, "POST", &format!("{}{path}", self.session), body)
    }
}

/// The driver ends Chromium with the session.
impl Drop for Browser {
    fn drop(&mut self) {
        let _ = exchange(self.driver, "DELETE", &self.session, &Value::Null);
    }
}

/// A chromedriver, and where it listens; `None` if it has exited without that.
fn driver() -> Option<(Running, SocketAddr)> {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running::start(&mut command);
    let lines = BufReader::new(running.0.stdout.take()?).lines();
    let port = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())?;
    Some((running, SocketAddr::from(([127, 0, 0, 1], port))))
}

/// The value that a command returns, which succeeds.
#[track_caller]
fn call(driver: SocketAddr, method: &str, path: &str, body: &Value) -> Value {
    let reply =
        exchange(driver, method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    let value = serde_json::from_str::<Value>(&reply).expect(&reply)["value"].take();
    assert!(value.get("error").is_none(), "{method} {path} {body}: {value:#}");
    value
}

/// The body of a reply.
fn exchange(driver: SocketAddr, method: &str, path: &str, body: &Value) -> std::io::Result<String> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut stream = TcpStream::connect(driver)?;
    // The driver answers when the browser has: loading a page may take as long as everything else together.
    stream.set_read_timeout(Some(2 * DEADLINE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {driver}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut reply = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reply.read_line(&mut line)?;
        match line.trim_end().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => {
                length = value.trim().parse().map_err(std::io::Error::other)?
            }
            _ if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut content = vec![0; length];
    reply.read_exact(&mut content)?;
    String::from_utf8(content).map_err(std::io::Error::other)
}
