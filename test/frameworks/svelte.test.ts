import { behavesLikeTheOthers } from './behaviours';

behavesLikeTheOthers('svelte');
