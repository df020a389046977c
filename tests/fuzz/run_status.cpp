// What `mpira status` reads of a training: the metrics, then behind a NUL a checkpoint, behind another
// the checkpoint before it.
#include "mpira/train/run_status.hpp"

#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include "fuzz/hostile.hpp"

namespace {

/// A safetensors file without tensors. A part that begins with '{' is the head of a checkpoint, as its header
/// keeps it; one with '=' the whole header; any other the file.
std::string checkpoint(std::string_view part) {
    std::string header;
    if (part.starts_with('{')) {
        // What is no UTF-8 no JSON can hold; a writer would have replaced it as well.
        header = nlohmann::json{{"__metadata__", {{"mpira.checkpoint", part}}}}.dump(
            -1, ' ', false, nlohmann::json::error_handler_t::replace);
    } else if (part.starts_with('=')) {
        header = part.substr(1);
    } else {
        return std::string(part);
    }
    std::string file(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(header.size() >> 8 * i & 0xFFU);
    return file + header;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    static test::ScratchFolder const folder;
    static auto const file = [](char const* name) { return folder.path() / name; };
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        auto rest = fuzz::text_of(bytes);
        auto const next = [&rest] {
            auto const part = rest.substr(0, rest.find('\0'));
            rest.remove_prefix(std::min(part.size() + 1, rest.size()));
            return part;
        };
        for (auto const* name :
             {"w.metrics.jsonl", "w.checkpoint.safetensors", "w.checkpoint.safetensors.previous"}) {
            std::filesystem::remove(file(name));
            auto const part = next();
            if (part.empty()) continue;
            folder.write(name, name[2] == 'm' ? std::string(part) : checkpoint(part));
        }
        (void)train::run_status(file("w.safetensors"));
    });
}
