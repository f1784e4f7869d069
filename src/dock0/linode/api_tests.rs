//! The API as it is on bad days: busy, broken, silent, and in pages.

use super::*;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// Gives these answers, one after the other; an empty one hangs up.
struct Server {
    base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: Vec<String>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/v4", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        std::thread::spawn(move || {
            for answer in answers {
                let mut client = BufReader::new(listener.accept().unwrap().0);
                let (mut head, mut length) = (String::new(), 0);
                while client.read_line(&mut head).unwrap() > 2 {
                    let line = head.lines().last().unwrap().to_lowercase();
                    length = line.strip_prefix("content-length: ").map_or(length, |text| text.parse().unwrap());
                }
                let mut body = vec![0; length];
                client.read_exact(&mut body).unwrap();
                heard.lock().unwrap().push(head + &String::from_utf8(body).unwrap());
                client.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        Server { base, asked }
    }

    fn api(&self) -> Api {
        let patience = Patience { tries: 3, first: Duration::from_millis(1), most: Duration::from_millis(5) };
        Api::new(Some(self.base.clone()), Token::parse("secret").unwrap(), patience).unwrap()
    }

    /// The first line of each question.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.lines().next().unwrap().replace(" HTTP/1.1", "")).collect()
    }
}

fn answer(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn busy() -> String {
    answer("429 Too Many Requests\r\nRetry-After: 900", &json!({"errors": [{"reason": "Too many requests"}]}))
}

#[test]
fn all_pages_of_a_list_with_its_filter() {
    let page = |data: Value| answer("200 OK", &json!({"data": data, "page": 1, "pages": 2, "results": 3}));
    let server = Server::start(vec![page(json!([{"id": 1}, {"id": 2}])), page(json!([{"id": 3}]))]);
    let all: Vec<Value> = server.api().list("/linode/instances", Filter::Has("label", "web1")).unwrap();
    assert_eq!(all, [json!({"id": 1}), json!({"id": 2}), json!({"id": 3})]);
    let path = "GET /v4/linode/instances?page=";
    assert_eq!(server.asked(), [format!("{path}1&page_size=500"), format!("{path}2&page_size=500")]);
    let heads = server.asked.lock().unwrap().join("").to_lowercase();
    assert_eq!(heads.matches("x-filter: {\"label\":\"web1\"}\r\n").count(), 2);
    assert_eq!(heads.matches("authorization: bearer secret\r\n").count(), 2);
}

/// The rows: what is wanted, the answers, how often it is asked, and what comes of it.
#[test]
fn what_is_asked_again() {
    let fine = || answer("200 OK", &json!({}));
    let broken = || answer("502 Bad Gateway", &json!("no errors in it"));
    let gone = || answer("404 Not Found", &json!({"errors": [{"reason": "Not found"}]}));
    let at_work = || answer("400 Bad Request", &json!({"errors": [{"reason": "Linode busy."}]}));
    let wrong = || answer("400 Bad Request", &json!({"errors": [{"reason": "Not so"}]}));
    let hang_up = String::new;
    for (method, answers, tries, want) in [
        (Method::Get, vec![busy(), fine()], 2, ""),
        (Method::Post, vec![busy(), fine()], 2, ""),
        (Method::Get, vec![broken(), hang_up(), fine()], 3, ""),
        (Method::Put, vec![broken(), fine()], 2, ""),
        (Method::Post, vec![at_work(), fine()], 2, ""),
        (Method::Post, vec![wrong()], 1, "Linode, POST /x: Not so (400)"),
        (Method::Post, vec![broken()], 1, "Linode, POST /x: it answers 502"),
        (Method::Get, vec![busy(), busy(), busy()], 3, "Linode, GET /x: Too many requests (429)"),
        (Method::Get, vec![gone()], 1, "Linode, GET /x: Not found (404)"),
        (Method::Delete, vec![gone()], 1, "Linode, DELETE /x: Not found (404)"),
        (Method::Delete, vec![hang_up(), gone()], 2, ""),
    ] {
        let server = Server::start(answers);
        let outcome = server.api().ask(method, "/x", Filter::All, None);
        let said = outcome.map_or_else(|refusal| refusal.to_string(), |_| String::new());
        assert_eq!((said.as_str(), server.asked().len()), (want, tries), "{method:?}");
    }
    let server = Server::start(vec![hang_up()]);
    let refusal = server.api().ask(Method::Post, "/x", Filter::All, None).unwrap_err();
    assert_eq!((refusal.status, server.asked().len()), (None, 1), "nobody knows whether it was done: {refusal}");
}

#[test]
fn errors_have_the_apis_words_and_not_the_token() {
    let errors = json!({"errors": [{"field": "region", "reason": "Region is not valid"}, {"reason": "Try later"}]});
    let server = Server::start(vec![answer("400 Bad Request", &errors)]);
    let error = server.api().post::<Value>("/linode/instances", &json!({"region": "x"})).unwrap_err();
    let said = format!("{error:#} {error:?}");
    assert!(said.starts_with("Linode, POST /linode/instances: region: Region is not valid; Try later (400)"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    assert!(server.asked.lock().unwrap()[0].ends_with("{\"region\":\"x\"}"));
    let server = Server::start(vec![answer("200 OK", &json!([]))]);
    let error = format!("{:#}", server.api().get::<std::collections::BTreeMap<String, u8>>("/x").unwrap_err());
    assert!(error.starts_with("reading what Linode answers to /x: "), "{error}");
}

#[test]
fn the_token_goes_nowhere_in_the_clear() {
    let new = |base: &str| Api::new(Some(base.into()), Token::parse("secret").unwrap(), PATIENCE);
    for base in ["http://api.linode.com/v4", "http://127.0.0.1.example.org/v4", "ftp://x"] {
        let error = new(base).unwrap_err().to_string();
        assert_eq!(error, format!("{base}: the token goes over https alone, or to this machine"));
    }
    for base in ["https://api.linode.com/v4/", "http://127.0.0.1:1/v4", "http://[::1]:1/v4", "http://localhost:1"] {
        assert_eq!(new(base).unwrap().base, base.trim_end_matches('/'));
    }
}
