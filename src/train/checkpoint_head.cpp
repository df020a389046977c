#include "train/checkpoint_head.hpp"

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::train {

nlohmann::json checkpoint_head(model::SafetensorsFile const& stored) {
    auto const file = stored.path().string();
    auto const head_text = stored.metadata().find(kHeadKey);
    require(head_text != stored.metadata().end(),
            fmt::format("{}: this is no checkpoint of mpira train; name another --output", file));
    auto head = nlohmann::json::parse(head_text->second, nullptr, /*allow_exceptions=*/false);
    auto const has = [&head](char const* key, auto&& is_right) {
        auto const found = head.is_object() ? head.find(key) : head.end();
        return found != head.end() && is_right(*found);
    };
    using nlohmann::json;
    require(has("format", [](json const& value) { return value == kHeadFormat; }) &&
                has("identity", [](json const& value) { return value.is_object(); }) &&
                has("progress", [](json const& value) { return value.is_object(); }) &&
                has("content", [](json const& value) { return value.is_string(); }),
            fmt::format("{}: the head of this checkpoint can't be read (another version of mpira?); start "
                        "over with --fresh",
                        file));
    return head;
}

std::filesystem::path previous_of(std::filesystem::path const& file) {
    auto previous = file;
    previous += ".previous";
    return previous;
}

}  // namespace mpira::train
