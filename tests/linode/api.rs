//! The API: which request asks for what. Everything here has the token.

use crate::list;
use crate::refusal::Refusal;
use crate::world::World;
use crate::{catalogue, config, disk, event, firewall, image, linode};
use plain_http::{Answer, Request};
use serde_json::{Value, json};

type Answered = Result<Answer, Refusal>;

/// The answer to a request, whose path has these parts behind `/v4`.
pub fn answer(world: &mut World, request: &Request, parts: &[&str]) -> Answered {
    let asked = (request.method.as_str(), parts);
    match asked {
        (_, ["linode", "instances", parts @ ..]) => linodes(world, request, (asked.0, parts)),
        (_, ["images", parts @ ..]) => images(world, request, (asked.0, parts)),
        (_, ["networking", "firewalls", parts @ ..]) => firewalls(world, request, (asked.0, parts)),
        ("GET", ["account", "events"]) => {
            // The newest first.
            let all = world.state.events.values().rev().map(|event| event.document(world.now)).collect();
            list::answer(request, all, event::FILTERABLE)
        }
        ("GET", ["account", "events", id]) => {
            let event = world.state.events.get(&number(id)?).ok_or_else(Refusal::not_found)?;
            Ok(Answer::json(200, &event.document(world.now)))
        }
        ("GET", ["regions"]) => list::answer(request, catalogue::regions(), catalogue::REGIONS_FILTERABLE),
        ("GET", ["regions", id]) => one(catalogue::regions(), id),
        ("GET", ["linode", "types"]) => list::answer(request, catalogue::types(), catalogue::TYPES_FILTERABLE),
        ("GET", ["linode", "types", id]) => one(catalogue::types(), id),
        ("GET", ["linode", "kernels"]) => list::answer(request, catalogue::kernels(), catalogue::KERNELS_FILTERABLE),
        ("GET", ["linode", "kernels", id @ ..]) => one(catalogue::kernels(), &id.join("/")),
        ("GET", ["profile"]) => Ok(Answer::json(200, &profile())),
        _ => Err(Refusal::not_found()),
    }
}

fn linodes(world: &mut World, request: &Request, asked: (&str, &[&str])) -> Answered {
    let now = world.now;
    let (method, id, parts) = match asked {
        ("GET", []) => {
            let all = world.state.linodes.values().map(|linode| linode.document(now)).collect();
            return list::answer(request, all, linode::FILTERABLE);
        }
        ("POST", []) => return world.create_linode(&request.body),
        (method, [id, parts @ ..]) => (method, number(id)?, parts),
        _ => return Err(Refusal::not_found()),
    };
    match (method, parts) {
        ("GET", []) => Ok(Answer::json(200, &world.linode(id)?.document(now))),
        ("PUT", []) => world.update_linode(id, &request.body),
        ("DELETE", []) => world.delete_linode(id),
        ("GET", ["ips"]) => Ok(Answer::json(200, &world.linode(id)?.addresses())),
        ("POST", ["boot"]) => world.boot(id, &request.body),
        ("POST", ["reboot"]) => world.reboot(id, &request.body),
        ("POST", ["shutdown"]) => world.shutdown(id),
        (method, ["disks", parts @ ..]) => disks(world, request, id, (method, parts)),
        (method, ["configs", parts @ ..]) => configs(world, request, id, (method, parts)),
        _ => Err(Refusal::not_found()),
    }
}

fn disks(world: &mut World, request: &Request, linode: u64, asked: (&str, &[&str])) -> Answered {
    match asked {
        ("GET", []) => {
            let all = world.linode(linode)?.disks.values().map(|disk| disk.document(world.now)).collect();
            list::answer(request, all, disk::FILTERABLE)
        }
        ("POST", []) => world.create_disk(linode, &request.body),
        ("GET", [id]) => Ok(Answer::json(200, &world.disk(linode, number(id)?)?.document(world.now))),
        ("DELETE", [id]) => world.delete_disk(linode, number(id)?),
        ("POST", [id, "resize"]) => world.resize_disk(linode, number(id)?, &request.body),
        _ => Err(Refusal::not_found()),
    }
}

fn configs(world: &mut World, request: &Request, linode: u64, asked: (&str, &[&str])) -> Answered {
    match asked {
        ("GET", []) => {
            let all = world.linode(linode)?.configs.values().map(|config| config.document()).collect();
            list::answer(request, all, config::FILTERABLE)
        }
        ("POST", []) => world.create_config(linode, &request.body),
        ("GET", [id]) => Ok(Answer::json(200, &world.config(linode, number(id)?)?.document())),
        ("PUT", [id]) => world.update_config(linode, number(id)?, &request.body),
        ("DELETE", [id]) => world.delete_config(linode, number(id)?),
        _ => Err(Refusal::not_found()),
    }
}

fn images(world: &mut World, request: &Request, asked: (&str, &[&str])) -> Answered {
    match asked {
        ("GET", []) => {
            let all = world.state.images.values().map(|image| image.document(world.now)).collect();
            list::answer(request, all, image::FILTERABLE)
        }
        ("POST", ["upload"]) => world.expect_image(&request.body),
        ("GET", id) => Ok(Answer::json(200, &world.image(&id.join("/"))?.document(world.now))),
        ("DELETE", id) => world.delete_image(&id.join("/")),
        _ => Err(Refusal::not_found()),
    }
}

fn firewalls(world: &mut World, request: &Request, asked: (&str, &[&str])) -> Answered {
    match asked {
        ("GET", []) => {
            let all = world.state.firewalls.values().map(|firewall| firewall.document()).collect();
            list::answer(request, all, firewall::FILTERABLE)
        }
        ("POST", []) => world.create_firewall(&request.body),
        ("GET", [id]) => Ok(Answer::json(200, &world.firewall(number(id)?)?.document())),
        ("DELETE", [id]) => world.delete_firewall(number(id)?),
        ("GET", [id, "devices"]) => {
            list::answer(request, world.firewall(number(id)?)?.devices(), firewall::DEVICES_FILTERABLE)
        }
        ("POST", [id, "devices"]) => world.create_device(number(id)?, &request.body),
        _ => Err(Refusal::not_found()),
    }
}

fn one(all: Vec<Value>, id: &str) -> Answered {
    let found = all.into_iter().find(|document| document["id"] == id).ok_or_else(Refusal::not_found)?;
    Ok(Answer::json(200, &found))
}

fn number(part: &str) -> Result<u64, Refusal> {
    part.parse().map_err(|_| Refusal::not_found())
}

fn profile() -> Value {
    json!({"username": "operator", "email": "operator@example.org", "timezone": "GMT", "restricted": false,
        "two_factor_auth": true, "email_notifications": true, "ip_whitelist_enabled": false, "authorized_keys": [],
        "lish_auth_method": "keys_only", "authentication_type": "password", "verified_phone_number": null,
        "referrals": {"code": "", "url": "", "total": 0, "completed": 0, "pending": 0, "credit": 0}})
}
