// Times as the recording's zone has them.
"use strict";

class Clock {
  constructor(zone) {
    this.zone = zone;
    try {
      this.formats = this.makeFormats(zone);
    } catch (error) { // the browser does not know the zone
      this.zone = "UTC";
      this.formats = this.makeFormats("UTC");
    }
  }

  makeFormats(timeZone) {
    const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone };
    const day = { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone };
    return {
      time: new Intl.DateTimeFormat("en-GB", time),
      day: new Intl.DateTimeFormat("en-GB", day),
      name: new Intl.DateTimeFormat("en-GB", { ...time, timeZoneName: "short" }),
    };
  }

  time(at) {
    return this.formats.time.format(at);
  }

  day(at) {
    return this.formats.day.format(at).replace(",", "");
  }

  // The zone's name at an instant: `UTC`, `CET`, `GMT+5:30`.
  name(at) {
    const part = this.formats.name.formatToParts(at).find(({ type }) => type === "timeZoneName");
    return part ? part.value : this.zone;
  }

  full(at) {
    return `${this.day(at)}, ${this.time(at)} ${this.name(at)}`;
  }

  range(from, to) {
    const end = this.day(from) === this.day(to) ? this.time(to) : this.full(to).replace(/ [^ ]+$/, "");
    return `${this.day(from)}, ${this.time(from)} – ${end} ${this.name(to)}`;
  }
}
