import { filterAsTyped } from "./filter.js";

filterAsTyped();
