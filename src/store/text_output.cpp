#include "mpira/store/text_output.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mpira/base/deflate.hpp"
#include "mpira/store/file_io.hpp"

#include "store/draft.hpp"

namespace mpira::store {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr int kLevel = 6;

}  // namespace

struct TextOutput::State {
    State(std::filesystem::path const& target, bool may_overwrite)
        : draft(target, system_io()),
          overwrite(may_overwrite),
          compresses(target.extension() == ".gz"),
          deflater(kLevel) {}
    Draft draft;
    bool overwrite;
    bool compresses;
    Deflater deflater;
    std::string pending;
    std::vector<std::byte> compressed;
    std::uint64_t written = 0;  ///< bytes of the file

    void flush() {
        if (pending.empty()) return;
        auto bytes = std::as_bytes(std::span(pending));
        if (compresses) {
            deflater.gzip(bytes, compressed);
            bytes = compressed;
        }
        write_all(system_io(), draft.descriptor(), bytes, written, draft.path());
        written += bytes.size();
        pending.clear();
    }
};

TextOutput::TextOutput(std::filesystem::path const& target, bool overwrite) {
    require_new(target, overwrite);
    state_ = std::make_unique<State>(target, overwrite);
}
TextOutput::TextOutput(TextOutput&&) noexcept = default;
TextOutput& TextOutput::operator=(TextOutput&&) noexcept = default;
TextOutput::~TextOutput() = default;

void TextOutput::write(std::string_view text) {
    state_->pending += text;
    if (state_->pending.size() >= kBlockBytes) state_->flush();
}

void TextOutput::place() {
    state_->flush();
    state_->draft.place(state_->overwrite, 0);
}

struct TextFolder::State {
    State(std::filesystem::path const& target, bool may_overwrite)
        : draft(target, system_io()), overwrite(may_overwrite) {}
    FolderDraft draft;
    bool overwrite;
};

TextFolder::TextFolder(std::filesystem::path const& target, bool overwrite) {
    require_new_folder(target, overwrite);
    state_ = std::make_unique<State>(target, overwrite);
}
TextFolder::TextFolder(TextFolder&&) noexcept = default;
TextFolder& TextFolder::operator=(TextFolder&&) noexcept = default;
TextFolder::~TextFolder() = default;

void TextFolder::add(std::string_view name, std::string_view text) {
    write_file(state_->draft.path() / name, std::as_bytes(std::span(text)));
}

void TextFolder::place() {
    state_->draft.place(state_->overwrite);
}

}  // namespace mpira::store
