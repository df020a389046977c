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
    require(head.is_object() && head.value("format", 0) == kHeadFormat && head.contains("identity") &&
                head.contains("progress") && head.contains("content"),
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
