#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace mpira::store {

/// A text file written aside and renamed: nothing half-written ever has the name `target`. Compressed when
/// the name ends in .gz, as gzip members of 1 MiB of text each, which every gzip reader takes as one file.
///
/// Errors: Origin::usage for a target that exists (without `overwrite`) or that lies in no folder,
/// Origin::system naming a file that can't be written. Move-only. Threads: one at a time.
class TextOutput {
public:
    explicit TextOutput(std::filesystem::path const& target, bool overwrite = false);
    TextOutput(TextOutput&&) noexcept;
    TextOutput& operator=(TextOutput&&) noexcept;
    /// Deletes what was written, unless place() was reached.
    ~TextOutput();

    void write(std::string_view text);
    /// Syncs and gives the file its name. An existing one gets aside_name().
    void place();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A folder of small text files, written aside and renamed as a whole. Errors and threads as TextOutput.
class TextFolder {
public:
    explicit TextFolder(std::filesystem::path const& target, bool overwrite = false);
    TextFolder(TextFolder&&) noexcept;
    TextFolder& operator=(TextFolder&&) noexcept;
    /// Deletes what was written, unless place() was reached.
    ~TextFolder();

    /// A file of that name, whole. `name` is no path.
    void add(std::string_view name, std::string_view text);
    /// Syncs and gives the folder its name. An existing one gets aside_name().
    void place();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace mpira::store
