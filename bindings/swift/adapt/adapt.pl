#!/usr/bin/env perl
# Adapts the generated module to Swift conventions: adapt.pl Calls.swift <generated >adapted
#
#   cancellation   async calls use cancellableRustCall of Calls.swift, which drops the Rust future
#   Duration       replaces TimeInterval, which is a Double and crashes the process if it is negative
#   error cases    start with a lowercase letter, like all other cases
#   functions      that only other languages need are not public
#
# A step that matches nothing ends the build, because the generator has changed and the step has to follow.
use strict;
use warnings;

my $calls = do { local (@ARGV, $/) = shift or die "usage: adapt.pl Calls.swift\n"; <> };
my $text = do { local $/; <STDIN> };

sub step {
    my ($name, $done) = @_;
    die "adapt.pl: $name: no match in the generated module\n" unless $done;
}

step 'async calls', $text =~ s/\buniffiRustCallAsync\(/cancellableRustCall(/g;
step 'cancel functions', $text =~ s/(freeFunc: (ffi_\w+?_rust_future_)free_(\w+))/cancelFunc: $2cancel_$3,\n            $1/g;
step 'generated call', $text =~ s/^fileprivate func uniffiRustCallAsync<.*?^}\n//ms;

step 'generated Duration', $text =~ s/^fileprivate struct FfiConverterDuration:.*?^}\n//ms;
step 'Duration', $text =~ s/\bTimeInterval\b/Duration/g;

my ($kinds) = $text =~ /^enum VideoError:(.*?)^}/ms or die "adapt.pl: no enum VideoError\n";
for my $kind ($kinds =~ /\bcase (\w+)\(/g) {
    my $small = lcfirst $kind;
    step "case $kind", $text =~ s/\bcase $kind\(\n/case `$small`(\n/;
    step "reading $kind", $text =~ s/return \.$kind\(\n/return .$small(\n/;
    step "writing $kind", $text =~ s/case let \.$kind\(details\)/case let .$small(details)/;
}

for my $function (qw(encodePng parseMediaInput parseVideoInput)) {
    step "function $function", $text =~ s/^public (func $function\()/$1/m;
}

print $text, $calls;
