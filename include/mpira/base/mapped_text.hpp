#pragma once

#include <cstddef>
#include <filesystem>
#include <source_location>
#include <string>
#include <string_view>

#include "mpira/base/mapped_file.hpp"

namespace mpira {

/// A text file whose lines stay where they lie: of a line that is needed again, its offset is kept.
///
///     for (std::size_t at = 0; at < text.size(); at = text.after(at)) use(text.line(at));
///
/// Owner, move-only; views live as long as the text. Threads: reading is free for all. Throws Origin::usage,
/// naming the file, when it can't be opened or is compressed.
class MappedText {
public:
    explicit MappedText(std::filesystem::path const& file);

    [[nodiscard]] std::filesystem::path const& file() const noexcept { return file_; }
    [[nodiscard]] std::string_view all() const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return mapping_.bytes().size(); }

    /// The line that begins at `offset`, without its end (LF or CR LF).
    [[nodiscard]] std::string_view line(std::size_t offset) const;
    /// Where the next line begins; size() after the last one.
    [[nodiscard]] std::size_t after(std::size_t offset) const;
    /// Number, from 1, of the line that holds `offset`. Counts from the top: for messages.
    [[nodiscard]] std::size_t line_number(std::size_t offset) const;
    /// "peaks.tsv, line 12", for messages.
    [[nodiscard]] std::string place(std::size_t offset) const;
    /// A usage error about the line that holds `offset`: "peaks.tsv, line 12: <what>".
    [[noreturn]] void refuse(std::size_t offset, std::string_view what,
                             std::source_location where = std::source_location::current()) const;

private:
    std::filesystem::path file_;
    MappedFile mapping_;
};

}  // namespace mpira
