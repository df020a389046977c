#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/base/mapped_file.hpp"

namespace mpira {

/// What is said of a text whose first line end is a CR alone: all of it would be one line.
inline constexpr std::string_view kOldLineEnds =
    "its lines end as those of old Macs (CR alone); convert them: tr '\\r' '\\n' < FILE > NEW";

/// A text file whose lines stay where they lie: of a line that is needed again, its offset is kept. A gzipped
/// file (bgzip included) is unpacked into memory first, each process's own; a plain one is shared by a node.
///
///     for (std::size_t at = 0; at < text.size(); at = text.after(at)) use(text.line(at));
///
/// Owner, move-only; views live as long as the text. Threads: reading is free for all. Throws Origin::usage,
/// naming the file, when it can't be opened, is compressed otherwise or damaged, unpacks to over 16 GiB, or
/// has kOldLineEnds.
class MappedText {
public:
    explicit MappedText(std::filesystem::path const& file);

    [[nodiscard]] std::filesystem::path const& file() const noexcept { return file_; }
    [[nodiscard]] std::string_view all() const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return content_.size(); }

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
    std::optional<MappedFile> mapping_;     ///< of a plain file
    std::vector<std::byte> unpacked_;       ///< of a gzipped one
    std::span<std::byte const> content_{};  ///< in one of them; both stay where they are when moved
};

}  // namespace mpira
