//! What the runtime has for everyone: the settings, the time, random bits.

use crate::base::settings::Settings;
use crate::base::time::Time;
use crate::model::place::Key;
use wasm_bindgen::prelude::*;
use worker::Env;
use worker::js_sys::{self, Date, Object, Uint8Array};

/// The time, which stands still while nothing is waited for.
pub fn now() -> Time {
    Time::from_millis(Date::now())
}

/// 128 random bits.
pub fn random() -> Key {
    let bytes = Uint8Array::new_with_length(16);
    get_random_values(&bytes);
    let mut key = Key::default();
    bytes.copy_to(&mut key);
    key
}

/// The settings, as `env` has them. One that is not valid is logged.
pub fn settings(env: &Env) -> Settings {
    let var = |name: &str| {
        let value = js_sys::Reflect::get(env, &name.into()).ok()?;
        // As JavaScript writes it.
        let number = || {
            value
                .as_f64()
                .map(|_| String::from(value.unchecked_ref::<Object>().to_js_string()))
        };
        value.as_string().or_else(number)
    };
    Settings::parse(var, |name| {
        worker::console_error!("{name} has a value that it cannot have; see docs/settings.md");
    })
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &Uint8Array);
}
