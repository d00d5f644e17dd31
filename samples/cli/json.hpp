// JSON as the library writes it, with the order of its keys.
#pragma once

#include <nlohmann/json.hpp>

using Json = nlohmann::ordered_json;
