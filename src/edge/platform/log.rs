//! Events for the owner: a line of JSON in the log, and a point in Analytics Engine. They take only numbers, so
//! they cannot contain anything of a visitor.

use std::fmt::Write;
use wasm_bindgen::prelude::*;
use worker::Env;

/// Logs `{"event":"published","views":3}`.
pub fn event(name: &str, facts: &[(&str, u64)]) {
    let mut line = format!("{{\"event\":\"{name}\"");
    for (fact, number) in facts {
        // Writing to a String does not fail.
        let _ = write!(line, ",\"{fact}\":{number}");
    }
    worker::console_log!("{line}}}");
}

/// Sends a point to the data set of the binding `ANALYTICS`, where there is one.
pub fn point(env: &Env, index: &str, numbers: Vec<f64>) {
    if let Some(analytics) = env.unchecked_ref::<Bindings>().analytics()
        && let Err(cause) = write(&analytics, index, numbers)
    {
        worker::web_sys::console::error_2(&"analytics:".into(), &cause);
    }
}

#[wasm_bindgen(inline_js = "
export const write = (analytics, index, doubles) => {
  analytics.writeDataPoint({ indexes: [index], doubles: [...doubles] });
};
")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn write(analytics: &JsValue, index: &str, numbers: Vec<f64>) -> Result<(), JsValue>;
}

#[wasm_bindgen]
extern "C" {
    type Bindings;
    #[wasm_bindgen(method, getter, js_name = ANALYTICS)]
    fn analytics(this: &Bindings) -> Option<JsValue>;
}
