#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
# The pages as they are installed, all in one folder: without what tells the tests how to type them, and without links to files
# of the source tree.
#
# documents.pl OUT PAGE...
use strict;
use warnings;
use File::Basename;

my ($out, @pages) = @ARGV;
die "usage: documents.pl OUT PAGE...\n" unless @pages;
my %installed = map { basename($_) => 1 } @pages;

# A link to another page of the folder, the text of one to anything else of the tree, and every other link as it is.
sub linked {
    my ($text, $target) = @_;
    return "[$text]($target)" if $target =~ /^(?:[a-z]+:|#)/;
    my ($path, $anchor) = $target =~ /^([^#]*)(.*)$/;
    my $name = basename($path);
    return $text unless $installed{$name} && $path =~ m{^(?:\.\./)?(?:docs/)?\Q$name\E$};
    return "[$text]($name$anchor)";
}

mkdir $out;
for my $page (@pages) {
    open(my $in, '<:encoding(UTF-8)', $page) or die "$page: $!\n";
    my $text = do { local $/; <$in> };
    $text =~ s/^ *<!--.*?-->\n//gms;
    $text =~ s/^!\[[^\]]*\]\([^()]*\)\n\n?//gm; # pictures are not installed
    $text =~ s/\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)/linked($1, $2)/ge;
    my $file = "$out/" . basename($page);
    open(my $to, '>:encoding(UTF-8)', $file) or die "$file: $!\n";
    print {$to} $text;
    close($to) or die "$file: $!\n";
}
