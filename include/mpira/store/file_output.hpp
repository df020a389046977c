#pragma once

#include <filesystem>
#include <memory>

namespace mpira::store {

/// A file that a library of others writes by its path: made aside and renamed, as TextOutput, whose errors
/// and threads are the same. Move-only.
class FileOutput {
public:
    explicit FileOutput(std::filesystem::path const& target, bool overwrite = false);
    FileOutput(FileOutput&&) noexcept;
    FileOutput& operator=(FileOutput&&) noexcept;
    /// Deletes what was written, unless place() was reached.
    ~FileOutput();

    /// An empty file, to be written in place: not to be deleted or renamed.
    [[nodiscard]] std::filesystem::path const& path() const noexcept;
    /// Syncs and gives the file its name. An existing one becomes TARGET.old.
    void place();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::store
