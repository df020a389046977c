#include "mpira/store/file_output.hpp"

#include "mpira/store/file_io.hpp"

#include "store/draft.hpp"

namespace mpira::store {

struct FileOutput::State {
    State(std::filesystem::path const& target, bool may_overwrite)
        : draft(target, system_io()), overwrite(may_overwrite) {}
    Draft draft;
    bool overwrite;
};

FileOutput::FileOutput(std::filesystem::path const& target, bool overwrite) {
    require_new(target, overwrite);
    state_ = std::make_unique<State>(target, overwrite);
}
FileOutput::FileOutput(FileOutput&&) noexcept = default;
FileOutput& FileOutput::operator=(FileOutput&&) noexcept = default;
FileOutput::~FileOutput() = default;

std::filesystem::path const& FileOutput::path() const noexcept {
    return state_->draft.path();
}

void FileOutput::place() {
    state_->draft.place(state_->overwrite, 0);
}

}  // namespace mpira::store
